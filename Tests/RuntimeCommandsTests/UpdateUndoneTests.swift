import RuntimeSpec
import TestSupport
import Testing

/// `update` that the kernel refuses in part, as with runc: what was in force before is so again.
@Suite(.bundles) struct UpdateUndoneTests {
    /// Of v1 and of v2.
    private static let files = [
        ["pids.max"], ["memory.limit_in_bytes", "memory.max"], ["cpu.shares", "cpu.weight"],
        ["cpu.cfs_quota_us", "cpu.max"],
    ]

    private static func limits(_ fixture: BundleFixture) -> [String] {
        files.map { names in names.compactMap { fixture.groupFile("c", $0) }.first ?? "none" }
    }

    @Test(arguments: [true, false])
    func `values that were written are taken back`(hasLimits: Bool) async throws {
        try await withBundles("undone") { fixture in
            try await fixture.launch("c") {
                guard hasLimits else { return }
                $0.linux?.resources = try decoded(
                    """
                    {"pids": {"limit": 55}, "memory": {"limit": 67108864},
                     "cpu": {"shares": 512, "quota": 20000, "period": 50000}}
                    """)
            }
            let before = Self.limits(fixture)
            // The last that is written; no machine has that many processors.
            let refused = try await fixture.runtime([
                "update", "--pids-limit", "66", "--memory", "128m", "--cpu-share", "2048", "--cpu-quota", "30000",
                "--cpuset-cpus", "65000", "c",
            ])
            #expect(refused.code == 1 && refused.errors.contains("linux.resources.cpu.cpus"), "\(refused)")
            #expect(!refused.errors.contains("before the update"), "\(refused)")
            #expect(Self.limits(fixture) == before)
            // Nor does the next one bring it back.
            try await fixture.succeed("update", "--cpu-period", "40000", "c")
            #expect(Self.limits(fixture).prefix(3) == before.prefix(3))
        }
    }
}
