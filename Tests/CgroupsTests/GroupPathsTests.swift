import Cgroups
import Testing

/// `linux.cgroupsPath` for the cgroupfs driver (config-linux.md: Cgroups Path), as runc resolves it.
@Suite struct GroupPathsTests {
    private static let hybrid = ControlGroups(
        mounts: """
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
            36 31 0:33 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
            """,
        groups: "4:memory:/a/b\n3:pids:/\n0::/x/y\n")

    private static let unified = ControlGroups(
        mounts: "25 20 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", groups: "0::/user.slice/shell.scope\n")

    @Test(
        arguments: [
            ("/p/c", "memory/p/c", "pids/p/c", "unified/p/c"),
            ("//p/./c/", "memory/p/c", "pids/p/c", "unified/p/c"),
            ("p/c", "memory/a/b/p/c", "pids/p/c", "unified/x/y/p/c"),
            (nil, "memory/a/b/id", "pids/id", "unified/x/y/id"),
            ("", "memory/a/b/id", "pids/id", "unified/x/y/id"),
            // A mark that combines with the slash before it.
            ("/\u{301}p/c", "memory/\u{301}p/c", "pids/\u{301}p/c", "unified/\u{301}p/c"),
            ("\u{301}", "memory/a/b/\u{301}", "pids/\u{301}", "unified/x/y/\u{301}"),
        ] as [(String?, String, String, String)])
    func hybridPaths(path: String?, memory: String, pids: String, v2: String) throws {
        let group = try Self.hybrid.group(forPath: path, id: "id")
        #expect(group.path("memory") == "/sys/fs/cgroup/" + memory)
        #expect(group.path("pids") == "/sys/fs/cgroup/" + pids)
        #expect(group.unifiedPath == "/sys/fs/cgroup/" + v2)
    }

    /// Beside the runtime's own group, which has processes.
    @Test(arguments: [("/p/c", "/p/c"), ("p/c", "/user.slice/p/c"), (nil, "/user.slice/id")] as [(String?, String)])
    func unifiedPaths(path: String?, expected: String) throws {
        #expect(try Self.unified.group(forPath: path, id: "id").unifiedPath == "/sys/fs/cgroup" + expected)
    }

    /// A process whose group lies outside what its mount shows.
    @Test func outsideTheMount() throws {
        let groups = ControlGroups(
            mounts: "25 20 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", groups: "0::/../other\n")
        #expect(try groups.group(forPath: nil, id: "id").unifiedPath == "/sys/fs/cgroup/id")
    }

    @Test(arguments: ["/a/../b", "..", "../x", "/..", "/", "//", ".", "a\0b"])
    func badPaths(path: String) {
        let error = #expect(throws: GroupError.self) { try Self.hybrid.group(forPath: path, id: "id") }
        guard case .badPath(path, _) = error else {
            Issue.record("another error: \(String(describing: error))")
            return
        }
    }

    @Test func noHierarchies() {
        #expect(throws: GroupError.noHierarchy) {
            try ControlGroups(mounts: "", groups: "").group(forPath: "/a", id: "id")
        }
    }
}
