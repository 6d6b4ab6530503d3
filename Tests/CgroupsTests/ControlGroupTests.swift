import Cgroups
import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import TestSupport
import Testing

/// Groups on this machine; each test makes one of its own and takes it away.
@Suite(.enabled(if: geteuid() == 0, "needs root")) struct ControlGroupTests {
    private static func withGroup(_ name: String, _ body: (ControlGroup) throws -> Void) throws {
        let group = try ControlGroups().group("martlet-cgroups-test-\(getpid())-\(name)")
        try group.create()
        defer {
            let deadline = Clock.sinceBoot() + 5_000_000_000
            while !group.remove(), Clock.sinceBoot() < deadline { group.killAll() }
        }
        try body(group)
    }

    private static func shell(_ script: String) throws -> pid_t {
        let null = try Descriptor.open("/dev/null", O_RDWR)
        return try ChildProcess.spawn(
            "/bin/sh", ["sh", "-c", script], environment: ["PATH=/usr/bin:/bin"],
            descriptors: [null.rawValue, null.rawValue, null.rawValue])
    }

    @Test func membersAreKilled() throws {
        try Self.withGroup("kill") { group in
            let pid = try Self.shell("exec sleep 1000")
            try group.add(pid)
            #expect(group.processes() == [pid])
            group.killAll()
            #expect(try ChildProcess.wait(pid) == 137)
            #expect(group.processes().isEmpty)
        }
    }

    @Test func aFrozenProcessCanBeKilled() throws {
        try Self.withGroup("freeze") { group in
            let pid = try Self.shell("while :; do :; done")
            try group.add(pid)
            try group.setFrozen(true)
            let before = group.statistics().cpuTotal
            // As long as it takes this process to use so much processor time itself.
            burnProcessor(milliseconds: 50)
            #expect(group.statistics().cpuTotal == before)
            group.killAll()
            #expect(try ChildProcess.wait(pid) == 137)
        }
    }

    @Test func limitsAreWritten() throws {
        try Self.withGroup("limits") { group in
            var limits = ResourceLimits()
            limits.memoryBytes = 64 << 20
            limits.memoryAndSwapBytes = 128 << 20
            limits.pids = 17
            limits.cpuQuota = 50_000
            limits.cpuPeriod = 100_000
            limits.cpuShares = 512
            try group.apply(limits)
            let figures = group.statistics()
            #expect(figures.memoryLimit == 64 << 20)
            #expect(figures.pidsLimit == 17)
            // Raising the limit beyond the old one of memory and swap together.
            limits.memoryBytes = 256 << 20
            limits.memoryAndSwapBytes = 512 << 20
            try group.apply(limits)
            #expect(group.statistics().memoryLimit == 256 << 20)
            limits.memoryBytes = 32 << 20
            limits.memoryAndSwapBytes = 32 << 20
            try group.apply(limits)
            #expect(group.statistics().memoryLimit == 32 << 20)
        }
    }

    /// Opening fails with EPERM where the group keeps the device away, in whatever way where the kernel has no driver.
    private static func deviceScript(_ path: String) -> String {
        """
        echo $$ >\(path)/cgroup.procs
        cd $(mktemp -d) && mknod fuse c 10 229 && mknod loop c 10 237 || exit 1
        : >/dev/null || exit 3
        head -c 1 /dev/zero >/dev/null || exit 4
        (: <loop) 2>&1 | grep -q 'not permitted' || exit 5
        (: <fuse) 2>&1 | grep -q 'not permitted' && exit 6
        (: >fuse) 2>&1 | grep -q 'not permitted' || exit 7
        rm -r $PWD
        exit 0
        """
    }

    @Test func devicesAreKeptAway() throws {
        try Self.withGroup("devices") { group in
            try group.restrictDevices(
                LinuxResources.DeviceRule.defaults + [#require(LinuxResources.DeviceRule("c 10:229 r"))])
            let path = try #require(group.path("devices") ?? group.unifiedPath)
            #expect(try ChildProcess.wait(Self.shell(Self.deviceScript(path))) == 0)
        }
    }

    /// The same in v2, by a program (BPF_CGROUP_DEVICE).
    @Test func devicesAreKeptAwayInV2() throws {
        try Self.withGroup("bpf") { group in
            let unified = ControlGroup(directories: group.directories.filter(\.isUnified))
            let path = try #require(unified.unifiedPath)
            try unified.restrictDevices(
                LinuxResources.DeviceRule.defaults + [#require(LinuxResources.DeviceRule("c 10:229 r"))])
            #expect(try ChildProcess.wait(Self.shell(Self.deviceScript(path))) == 0)
        }
    }

    @Test func badDeviceRulesAreRefused() throws {
        try Self.withGroup("rules") { group in
            #expect(LinuxResources.DeviceRule("x 1:2 rwm") == nil)
        }
    }
}
