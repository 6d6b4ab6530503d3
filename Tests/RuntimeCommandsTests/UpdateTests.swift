import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// `update` as runc has it; config-linux.md: Control groups.
@Suite(.bundles) struct UpdateTests {
    private static let megabyte = 1 << 20

    /// The value of v1, and of v2 where the first number is one of several.
    private static func value(_ fixture: BundleFixture, _ first: String, _ second: String) -> String? {
        fixture.groupFile("c", first, second)?.split(separator: " ").first.map(String.init)
    }

    @Test func `memory and processors by flags (config-linux.md: Memory, CPU)`() async throws {
        try await withBundles("flags") { fixture in
            let pid = try await fixture.launch("c")
            try await fixture.succeed("update", "--memory", "\(64 * Self.megabyte)", "c")
            #expect(Self.value(fixture, "memory.limit_in_bytes", "memory.max") == "\(64 * Self.megabyte)")
            try await fixture.succeed("update", "--memory-reservation", "32m", "c")
            #expect(Self.value(fixture, "memory.soft_limit_in_bytes", "memory.low") == "\(32 * Self.megabyte)")
            #expect(Self.value(fixture, "memory.limit_in_bytes", "memory.max") == "\(64 * Self.megabyte)")
            try await fixture.succeed("update", "--cpu-period", "50000", "--cpu-quota", "20000", "c")
            #expect(Self.value(fixture, "cpu.cfs_quota_us", "cpu.max") == "20000")
            try await fixture.succeed("update", "--cpu-share", "512", "c")
            #expect(["512", "59"].contains(Self.value(fixture, "cpu.shares", "cpu.weight") ?? ""))
            #expect(Self.value(fixture, "cpu.cfs_quota_us", "cpu.max") == "20000")
            try await fixture.succeed("update", "--cpuset-cpus", "0", "c")
            #expect(fixture.groupFile("c", "cpuset.cpus") == "0")
            let inside = try await fixture.exec("c", "grep Cpus_allowed_list /proc/self/status | tr -d '\\t'")
            #expect(inside.line == "Cpus_allowed_list:0", "\(inside)")
            #expect(isAlive(pid))
        }
    }

    @Test(arguments: [true, false]) func `all at once, from a file or standard input`(isFile: Bool) async throws {
        try await withBundles("resources") { fixture in
            try await fixture.launch("c") {
                var pids = LinuxResources.PIDs()
                pids.limit = 55
                $0.linux?.resources?.pids = pids
            }
            let text = """
                {"memory": {"limit": \(48 * Self.megabyte)}, "cpu": {"shares": 2048, "quota": 30000, "period": 100000}}
                """
            let file = isFile ? try fixture.directory.write("resources.json", text) : "-"
            try await fixture.succeed("update", "--resources", file, "c", input: isFile ? "" : text)
            #expect(Self.value(fixture, "memory.limit_in_bytes", "memory.max") == "\(48 * Self.megabyte)")
            #expect(Self.value(fixture, "cpu.cfs_quota_us", "cpu.max") == "30000")
            #expect(["2048", "174"].contains(Self.value(fixture, "cpu.shares", "cpu.weight") ?? ""))
            // What the document leaves out stays.
            #expect(fixture.groupFile("c", "pids.max") == "55")
        }
    }

    @Test func `devices stay refused after an update`() async throws {
        try await withBundles("devices") { fixture in
            try await fixture.launch("c") { $0.grant(["CAP_MKNOD", "CAP_SYSLOG"]) }
            try await fixture.succeed("update", "--pids-limit", "77", "c")
            let result = try await fixture.exec(
                "c", "mknod /tmp/log c 1 11; head -c 1 /tmp/log; echo x > /dev/null && echo end")
            #expect(result.errors.contains("Operation not permitted"), "\(result)")
            #expect(result.lines.last == "end", "\(result)")
        }
    }

    @Test(arguments: [
        ["--memory", "plenty"], ["--pids-limit", "many"], ["--resources", "/nothing/there"], ["--nothing"],
    ])
    func `what cannot be understood is an error, and changes nothing`(flags: [String]) async throws {
        try await withBundles("badflags") { fixture in
            try await fixture.launch("c") {
                var pids = LinuxResources.PIDs()
                pids.limit = 55
                $0.linux?.resources?.pids = pids
            }
            let result = try await fixture.runtime(["update", "--pids-limit", "66"] + flags + ["c"])
            #expect(result.code == 1)
            #expect(!result.errors.isEmpty || !result.output.isEmpty)
            #expect(fixture.groupFile("c", "pids.max") == "55")
            let wrong = try await fixture.runtime(["update", "--resources", "-", "c"], input: "{\"pids\": 5}")
            #expect(wrong.code == 1)
            #expect(try await fixture.state("c")["status"] == "running")
        }
    }
}
