import CLinux
import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: rlimits, oomScoreAdj.
@Suite(.bundles) struct LimitTests {
    private static let messageQueues: Int32 = 12
    private static let mayRaise: Bool = {
        var (permitted, bounding): (UInt64, UInt64) = (0, 0)
        return cl_permitted_capabilities(&permitted, &bounding) == 0 && permitted >> 24 & 1 == 1
    }()

    /// Above the runtime's own hard limit: that takes a right on the host.
    @Test(.enabled(if: mayRaise, "needs CAP_SYS_RESOURCE"))
    func `a process in a user namespace may have a higher limit than the runtime`() async throws {
        try await withBundles("raised") { fixture in
            var soft: UInt64 = 0
            var hard: UInt64 = 0
            try checked("getrlimit", cl_getrlimit(Self.messageQueues, &soft, &hard))
            let raised = hard + 4096
            try await fixture.launch("c") {
                $0.mapUsers(100_000)
                $0.process?.rlimits = [
                    .init(type: "RLIMIT_MSGQUEUE", soft: raised - 1, hard: raised),
                    .init(type: "RLIMIT_NOFILE", soft: 100, hard: 200),
                ]
            }
            for process in ["1", "self"] {
                let result = try await fixture.exec(
                    "c", "awk '/Max (msgqueue|open)/ {print $4, $5}' /proc/\(process)/limits")
                #expect(result.lines == ["100 200", "\(raised - 1) \(raised)"], "\(process): \(result)")
            }
        }
    }

    @Test(.enabled(if: mayRaise, "needs CAP_SYS_RESOURCE"))
    func `the score stays as it is where none is given`() async throws {
        try await withBundles("score") { fixture in
            let bundle = try fixture.prepare("c", "cat /proc/self/oom_score_adj")
            for score in ["-500", "200"] {
                let result = try await CommandResult.run(
                    [
                        "/bin/sh", "-c", "echo \(score) >/proc/self/oom_score_adj; exec \"$@\"", "sh",
                        try #require(BundleFixture.program), "--root", fixture.stateRoot, "run", "--bundle", bundle,
                        "c",
                    ], in: fixture.directory)
                #expect(result.line == score, "\(result)")
            }
        }
    }
}
