import TestSupport
import Testing

@Suite struct TerminalSessionTests {
    @Test func `nothing is typed on a session's terminal`() async throws {
        // It ends by itself where it reads an end of input.
        let done = try await TerminalSession.run(["timeout", "--foreground", "0.5", "cat"])
        #expect(done.code == 124)
        #expect(done.output == "")
    }

    @Test func `a session's command is on a terminal of a known size`() async throws {
        let done = try await TerminalSession.run(["sh", "-c", "stty size; echo 'a b'; exit 7"])
        #expect(done.code == 7 && done.screen == "33 99\na b\n", "\(done.output)")
    }
}
