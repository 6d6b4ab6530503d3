import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: Mounts (idmap), in a user namespace that is joined: its mappings are the mount's.
@Suite(.bundles) struct JoinedMappingTests {
    @Test func `idmap takes the mappings of a user namespace that is joined`() async throws {
        try await withBundles("joinedmapping") { fixture in
            let holder = try StartedCommand(["unshare", "--user", "sleep", "1000"], in: fixture.directory)
            do {
                let namespace = "/proc/\(holder.pid)/ns/user"
                try await waitUntil("it is in its namespace") {
                    linkTarget(namespace) != LinuxConfiguration.NamespaceType.user.own
                }
                for file in ["uid_map", "gid_map"] { try Files.set("/proc/\(holder.pid)/\(file)", "0 100000 65536\n") }
                let source = fixture.directory.path("source")
                try fixture.directory.write("source/file", "host\n")
                chown(source + "/file", 5, 6)
                chmod(source, 0o777)
                let script = "stat -c '%u:%g' /data/file; touch /data/made; stat -c '%u:%g' /data/made"
                let result = try await fixture.run("c", script) {
                    $0.add(.user, path: namespace)
                    $0.mount(source, "/data", ["bind", "idmap"])
                }
                #expect(result.lines == ["5:6", "0:0"], "\(result)")
                #expect(owner(source + "/made") == "0:0 644")
            } catch {
                try await holder.stop()
                throw error
            }
            try await holder.stop()
        }
    }
}
