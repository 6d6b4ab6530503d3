import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: Mounts, of type cgroup.
@Suite(.bundles) struct GroupMountTests {
    @Test func `the place is made where it is missing`() async throws {
        try await withBundles("groupplace") { fixture in
            let result = try await fixture.run("c", "cd /made/here; test -d pids && cd pids; cat cgroup.procs") {
                $0.add(.cgroup)
                $0.mount("cgroup", "/made/here", ["ro"], type: "cgroup")
            }
            #expect(result.lines.contains("1"), "\(result)")
        }
    }
}
