import TestSupport
import Testing

/// `martlet-sim` as a process of its own.
@Suite struct ProgramTests {
    @Test("the same arguments are the same run, in another process too") func repetition() async throws {
        let program = try #require(TestEnvironment.program("martlet-sim"))
        // The hashes of each process differ otherwise, and with them the order of what is in sets.
        let words = [program, "--seed", "5", "--count", "2", "--seconds", "20"]
        let runs = [try await Command.run(words), try await Command.run(words)]
        #expect(runs.map(\.code) == [0, 0])
        #expect(runs[0].output == runs[1].output)
        #expect(runs[0].lines.count == 3 && runs[0].output.contains("seed 5: fine"))
        #expect(try await Command.run([program, "--seed", "six"]).code == 64)
    }
}
