import LinuxSystem
import Testing

@testable import Cgroups

/// Finding hierarchies in /proc/self/mountinfo (proc(5)) and /proc/self/cgroup (cgroups(7)).
@Suite struct ControlGroupsTests {
    @Test func hybridLayout() {
        let groups = ControlGroups(
            mounts: """
                31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
                32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
                35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
                40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
                41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
                """,
            groups: "4:memory:/a/b\n3:cpu,cpuacct:/\n9:name=systemd:/\n0::/x\n")
        #expect(groups.hierarchies.count == 4)
        #expect(!groups.isUnifiedOnly)
        #expect(groups.unified?.mountPoint == "/sys/fs/cgroup/unified")
        let group = groups.group("martlet/c1")
        // Beneath the process's own group in v1, beneath the root in v2.
        #expect(group.path("memory") == "/sys/fs/cgroup/memory/a/b/martlet/c1")
        #expect(group.path("cpuacct") == "/sys/fs/cgroup/cpu,cpuacct/martlet/c1")
        #expect(group.unifiedPath == "/sys/fs/cgroup/unified/martlet/c1")
    }

    @Test func unifiedLayout() {
        let groups = ControlGroups(
            mounts: "25 20 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            groups: "0::/system.slice/martletd.service\n")
        #expect(groups.isUnifiedOnly)
        #expect(groups.group("martlet/c1").unifiedPath == "/sys/fs/cgroup/martlet/c1")
    }

    /// A mount that shows a part of its hierarchy, as in a container of an outer runtime.
    @Test func partialMount() {
        let groups = ControlGroups(
            mounts: "25 20 0:22 /docker/x /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
            groups: "8:pids:/docker/x/inner\n")
        #expect(groups.group("c").path("pids") == "/sys/fs/cgroup/pids/inner/c")
    }

    /// Where the engine's groups begin, where systemd runs the machine and the root is writable, and where not.
    @Test(
        arguments: [
            (["memory"], "/", "", ""),
            (["memory"], "/system.slice/martletd.service", "", "/system.slice/martletd.service"),
            (["name=systemd"], "/system.slice/martletd.service", "", "/system.slice/martletd.service"),
            (["pids"], "/user.slice/user-0.slice/session-1.scope", "", "/user.slice/user-0.slice/session-1.scope"),
            // A controller that systemd does not use for the unit, and a group that the unit made.
            (["devices"], "/system.slice", "", "/system.slice"),
            (["cpu"], "/system.slice/martletd.service/inner", "", "/system.slice/martletd.service/inner"),
            // Somebody else's group, whose limits are meant.
            (["memory"], "/process_api/aecaae77", "/process_api/aecaae77", "/process_api/aecaae77"),
            (["memory"], "/a.services/b", "/a.services/b", "/a.services/b"),
            ([], "/system.slice/martletd.service", "", ""),
        ] as [([String], String, String, String)])
    func bases(controllers: [String], own: String, ofSystemds: String, others: String) {
        let hierarchy = ControlGroups.Hierarchy(controllers: controllers, mountPoint: "/m", ownPath: own)
        #expect(hierarchy.base(leavesUnits: true) == ofSystemds)
        #expect(hierarchy.base(leavesUnits: false) == others)
    }

    /// Nothing changes where another program than systemd booted the machine.
    @Test(.enabled(if: !Files.isDirectory("/run/systemd/system"), "needs a machine without systemd"))
    func withoutSystemdTheOwnGroupIsTheBase() throws {
        for hierarchy in try ControlGroups().hierarchies where !hierarchy.isUnified {
            #expect(hierarchy.base == (hierarchy.ownPath == "/" ? "" : hierarchy.ownPath))
        }
    }
}
