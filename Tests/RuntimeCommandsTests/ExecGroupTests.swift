import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// `exec` into a container whose first process has left the container's own group of cgroup v2 (cgroups(7): "no
/// internal processes").
@Suite(.bundles) struct ExecGroupTests {
    private static func unified(_ fixture: BundleFixture) -> String? {
        fixture.groups("c").first { Files.exists($0 + "/cgroup.subtree_control") }
    }

    /// The group of v2, from its root on.
    private static func group(of process: String) throws -> String {
        let line = try Files.text("/proc/\(process)/cgroup").split(separator: "\n").first { $0.hasPrefix("0::") }
        return String(try #require(line).dropFirst(3))
    }

    /// A process of `exec --detach`.
    private static func start(_ fixture: BundleFixture) async throws -> String {
        let file = fixture.directory.path("pid")
        try await fixture.succeed("exec", "--detach", "--pid-file", file, "c", "sleep", "1000")
        return try Files.text(file)
    }

    @Test func `a group that hands controllers on takes no process: it goes to the first one`() async throws {
        try await withBundles("execbusy") { fixture in
            let first = try await fixture.launch("c")
            guard let group = Self.unified(fixture), let names = try? Files.text(group + "/cgroup.controllers"),
                let name = names.split(whereSeparator: \.isWhitespace).first(where: { $0 != "cpu" && $0 != "pids" })
            else {
                print("not exercised: this machine's cgroup v2 has no controller for a group that exists")
                return
            }
            try Files.makeDirectories(group + "/init")
            try Files.set(group + "/init/cgroup.procs", "\(first)")
            try Files.set(group + "/cgroup.subtree_control", "+\(name)")
            let process = try await Self.start(fixture)
            #expect(try Self.group(of: process) == Self.group(of: "\(first)"))
            #expect(try Self.group(of: process).hasSuffix("/c/init"))
            let refused = try await fixture.exec("c", "true", flags: ["--cgroup", "nothing"])
            #expect(refused.code == 255, "\(refused)")
        }
    }

    @Test func `where the group is gone it goes to the first one's`() async throws {
        try await withBundles("execgone") { fixture in
            let first = try await fixture.launch("c")
            guard let group = Self.unified(fixture) else {
                print("not exercised: this machine has no cgroup v2")
                return
            }
            let others = fixture.groups("c").filter { $0 != group }
            let place = group + "-moved"
            try Files.makeDirectories(place)
            try Files.set(place + "/cgroup.procs", "\(first)")
            try #require(rmdir(group) == 0)
            let process = try await Self.start(fixture)
            #expect(try Self.group(of: process) == Self.group(of: "\(first)"))
            for other in others {
                #expect(try Files.text(other + "/cgroup.procs").split(separator: "\n").contains { $0 == process })
            }
            try await fixture.succeed("delete", "--force", "c")
            try await waitUntil("both have ended") { rmdir(place) == 0 }
        }
    }
}
