import Glibc
import LinuxSystem
import TestSupport
import Testing

extension ClusterTests {
    /// Real managers under load and faults, for a short time: `scripts/chaos` runs the same for longer.
    @Suite struct ChaosTests {
        @Test("Five managers under kill -9, cuts, freezes and failing disks lose nothing and answer linearizably")
        func chaos() async throws {
            let program = try #require(Cluster.program("martlet-chaos"))
            let files = try TemporaryDirectory("chaos")
            let arguments = ["--seed", "4", "--minutes", "1", "--lab", "c\(getpid())", "--subnet", "83"]
            let done = try await Command.run(
                [program] + arguments + ["--keep", files.path("kept")], within: .seconds(400))
            #expect(done.code == 0, "\(done.output.suffix(4_000)) \(done.errorOutput)")
            #expect(done.output.contains("every promise was kept"))
        }
    }
}
