import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: Mounts (uidMappings, gidMappings); config.md: Linux mount options (idmap, ridmap); mount_setattr(2).
@Suite(.bundles) struct IDMappedMountTests {
    private static func source(_ fixture: BundleFixture) throws -> String {
        let source = fixture.directory.path("source")
        try fixture.directory.write("source/file", "host\n")
        try fixture.directory.write("source/other", "host\n")
        chown(source + "/other", 5, 6)
        chmod(source, 0o777)
        return source
    }

    private static func mapped(_ mount: RuntimeConfiguration.Mount, to host: UInt32) -> RuntimeConfiguration.Mount {
        var mount = mount
        mount.uidMappings = [.init(containerID: 0, hostID: host, size: 10)]
        mount.gidMappings = [.init(containerID: 0, hostID: host + 1, size: 10)]
        return mount
    }

    @Test func `owners are mapped, both ways`() async throws {
        try await withBundles("idmapped") { fixture in
            let source = try Self.source(fixture)
            let script = "stat -c '%u:%g' /data/file /data/other; touch /data/made; stat -c '%u:%g' /data/made"
            let result = try await fixture.run("c", script) {
                $0.process?.user = .init(uid: 1003, gid: 1004)
                $0.mounts?.append(
                    Self.mapped(
                        .init(destination: "/data", type: "bind", source: source, options: ["bind"]), to: 1000))
            }
            #expect(result.lines == ["1000:1001", "1005:1007", "1003:1004"], "\(result)")
            #expect(owner(source + "/made") == "3:3 644")
            #expect(owner(source + "/file") == "0:0 644")
        }
    }

    @Test(arguments: ["idmap", "mappings"])
    func `with the mapping of the container's user namespace owners are as on the host`(way: String) async throws {
        try await withBundles("useridmapped") { fixture in
            let source = try Self.source(fixture)
            let script = "stat -c '%u:%g' /data/file; touch /data/made; stat -c '%u:%g' /data/made"
            let result = try await fixture.run("c", script) {
                $0.mapUsers(100_000)
                var mount = RuntimeConfiguration.Mount(
                    destination: "/data", type: "bind", source: source, options: ["bind"])
                if way == "idmap" { mount.options?.append("idmap") } else { mount = Self.mapped(mount, to: 100_000) }
                $0.mounts?.append(mount)
            }
            #expect(result.lines == ["0:0", "0:0"], "\(result)")
            #expect(owner(source + "/made") == "0:0 644")
        }
    }

    @Test(arguments: [("idmap", "0:0"), ("ridmap", "1000:1001")])
    func `idmap reaches the mount alone, ridmap those beneath it too`(word: String, sub: String) async throws {
        try await withBundles("ridmap") { fixture in
            // Linux maps tmpfs from 6.3 on.
            let (tree, other) = (fixture.directory.path("tree"), fixture.directory.path("other"))
            for directory in [tree + "/sub", other] { try Files.makeDirectories(directory) }
            try Files.write(tree + "/file", "top\n")
            try Files.write(other + "/deep", "deep\n")
            try Mounts.bind(other, on: tree + "/sub")
            let result = try await fixture.run("c", "stat -c '%u:%g' /data/file /data/sub/deep") {
                $0.mounts?.append(
                    Self.mapped(
                        .init(destination: "/data", type: "bind", source: tree, options: ["rbind", word]), to: 1000))
            }
            #expect(result.lines == ["1000:1001", sub], "\(result)")
        }
    }

    @Test func `mappings of one kind alone are an error`() async throws {
        try await withBundles("halfmapped") { fixture in
            let source = try Self.source(fixture)
            let bundle = try fixture.prepare("c", "true") {
                var mount = Self.mapped(
                    .init(destination: "/data", type: "bind", source: source, options: ["bind"]), to: 1000)
                mount.gidMappings = nil
                $0.mounts?.append(mount)
            }
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(result.errors.contains("gidMappings"), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }
}
