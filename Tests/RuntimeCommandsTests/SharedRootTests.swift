import CLinux
import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// Roots whose mounts are the host's too: without a mount namespace, shared, without pivot_root(2).
@Suite(.bundles) struct SharedRootTests {
    /// A root at a path that mountinfo writes with escapes (proc_pid_mountinfo(5)).
    private static func oddRoot(_ fixture: BundleFixture) throws -> String {
        let root = fixture.directory.path("odd \\ place/root")
        try BusyboxRoot.make(root, directories: ["/proc", "/sys", "/dev", "/data"])
        return root
    }

    private static func mounts(in root: String) throws -> [String] {
        try MountInfo.all().filter { $0.lies(in: root) }.map(\.mountPoint)
    }

    @Test func `mounts on a root with a blank in its name go with the container`() async throws {
        try await withBundles("blank") { fixture in
            let root = try Self.oddRoot(fixture)
            try await fixture.launch("c") {
                $0.root?.path = root
                $0.remove(.mount)
            }
            #expect(try Self.mounts(in: root).contains(root + "/proc"))
            try await fixture.succeed("delete", "--force", "c")
            #expect(try Self.mounts(in: root) == [])
        }
    }

    @Test(arguments: [["a", "b"], ["b", "a"]])
    func `of two containers on one root each keeps its mounts, and none stays after both`(order: [String]) async throws
    {
        try await withBundles("oneroot") { fixture in
            let root = fixture.inRoot("a", "")
            for id in ["a", "b"] {
                try await fixture.launch(id) {
                    $0.root?.path = root
                    $0.remove(.mount)
                }
            }
            #expect(try Self.mounts(in: root).count { $0 == root } == 2)
            try await fixture.succeed("delete", "--force", order[0])
            let seen = try await fixture.exec(order[1], "readlink /proc/self/exe; ls /dev/null")
            #expect(seen.lines == ["/bin/busybox", "/dev/null"], "\(seen)")
            try await fixture.succeed("delete", "--force", order[1])
            #expect(try Self.mounts(in: root) == [])
        }
    }

    @Test func `a mount of the host's on the root stays`() async throws {
        try await withBundles("hosts") { fixture in
            let root = fixture.directory.path("root")
            try mountTemporary(root)
            try BusyboxRoot.make(root, directories: ["/proc", "/sys", "/dev", "/data"])
            try await fixture.launch("c") {
                $0.root?.path = root
                $0.remove(.mount)
            }
            try await fixture.succeed("delete", "--force", "c")
            #expect(try Self.mounts(in: root) == [root])
            #expect(Files.exists(root + "/bin/busybox"))
        }
    }

    @Test func `mounts of a shared root stay in the container, whatever the root's name`() async throws {
        try await withBundles("sharedblank") { fixture in
            let place = fixture.directory.path("odd \\ place")
            try mountTemporary(place)
            try Mounts.setPropagation(place, UInt(CL_MS_SHARED))
            let root = try Self.oddRoot(fixture)
            try await fixture.launch("c") {
                $0.root?.path = root
                $0.linux?.rootfsPropagation = "shared"
            }
            #expect(try Self.mounts(in: root) == [])
        }
    }

    /// With a whole proc in its mount namespace a process may mount another in a user namespace of its own, without
    /// masks (mount_namespaces(7): Restrictions on mount namespaces).
    @Test(arguments: ["plain", "odd \\ name"])
    func `without pivot_root the host's proc is out of reach, whatever its name`(name: String) async throws {
        try await withBundles("nopivot") { fixture in
            let place = fixture.directory.path(name)
            try Files.makeDirectories(place)
            try Mounts.mount("proc", on: place, type: "proc")
            let script = """
                head -c 1 /proc/uptime
                unshare -U -r -m -p -f sh -c 'mount -t proc proc /data && head -c 1 /data/uptime'; echo end
                """
            let result = try await fixture.run("c", script, flags: ["--no-pivot"]) {
                // Root of the namespace is this one's root (user_namespaces(7)).
                $0.grant(["CAP_SETFCAP"])
                $0.linux?.maskedPaths = ["/proc/uptime"]
            }
            #expect(result.lines == ["end"], "\(result)")
            #expect(result.errors.contains("mount: permission denied"), "\(result)")
        }
    }
}
