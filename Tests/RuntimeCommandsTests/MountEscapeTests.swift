import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: Mounts: a destination lies in the container, whatever links its image has.
@Suite(.bundles) struct MountEscapeTests {
    /// Where a link leads: a place of the host that is not there, and how the image says it.
    @Test(arguments: [true, false]) func `nothing is made on the host through a link of the image`(isRelative: Bool)
        async throws
    {
        try await withBundles("escape") { fixture in
            let outside = "/tmp/" + fixture.groupName
            let bundle = try fixture.prepare("c", "cat /esc/bound/file; echo x > /esc/memory/x; ls -d /esc/*; pwd") {
                $0.mount(fixture.directory.path("source"), "/esc/bound", ["bind"])
                $0.mount(fixture.directory.path("source/file"), "/esc/single", ["bind"])
                $0.mount("tmpfs", "/esc/memory", [], type: "tmpfs")
                $0.linux?.devices = [.init(type: "p", path: "/esc/pipe")]
                $0.process?.cwd = "/esc/work"
            }
            try fixture.directory.write("source/file", "host\n")
            symlink((isRelative ? "../../../../../../../../.." : "") + outside, fixture.inRoot("c", "/esc"))
            let result = try await fixture.runtime(["run", "--bundle", bundle, "c"])
            #expect(owner(outside) == nil, "made on the host: \((try? Files.list(outside)) ?? [])")
            #expect(result.lines.first == "host", "\(result)")
            #expect(result.lines.contains("/esc/pipe"), "\(result)")
            #expect(result.lines.last == outside + "/work", "\(result)")
            #expect(Files.isDirectory(fixture.inRoot("c", outside + "/bound")))
        }
    }

    @Test func `a destination with .. stays in the root`() async throws {
        try await withBundles("dots") { fixture in
            let outside = "/tmp/" + fixture.groupName
            let result = try await fixture.run("c", "ls -d \(outside)") {
                $0.mount("tmpfs", "/data/../../../../../../.." + outside, [], type: "tmpfs")
            }
            #expect(owner(outside) == nil)
            #expect(result.line == outside, "\(result)")
        }
    }

    @Test(arguments: ["loop", "/proc", "/proc/self"])
    func `a link in a circle, or into /proc, is an error`(target: String) async throws {
        try await withBundles("loop") { fixture in
            let bundle = try fixture.prepare("c", "true") {
                $0.mount(fixture.directory.path, "/loop/sys", ["bind"])
            }
            symlink(target, fixture.inRoot("c", "/loop"))
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(!result.errors.isEmpty)
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test(arguments: ["/proc/sys", "/proc/self/attr"])
    func `nothing is mounted over what is in /proc (CVE-2019-16884)`(place: String) async throws {
        try await withBundles("overproc") { fixture in
            let bundle = try fixture.prepare("c", "true") {
                $0.mount(fixture.directory.path, place, ["bind"])
            }
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(result.errors.contains("/proc"), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test func `a link at /proc itself is no place for a proc (CVE-2019-19921)`() async throws {
        try await withBundles("proclink") { fixture in
            let bundle = try fixture.prepare("c", "true")
            try Files.removeTree(fixture.inRoot("c", "/proc"))
            symlink("/data", fixture.inRoot("c", "/proc"))
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(!result.errors.isEmpty)
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test func `masked and read-only paths through a link stay in the root`() async throws {
        try await withBundles("masklink") { fixture in
            let target = fixture.directory.path("target")
            try fixture.directory.write("target/file", "host\n")
            let bundle = try fixture.prepare("c", "cat \(target)/file; touch \(target)/made; echo end") {
                $0.linux?.maskedPaths?.append("/out/file")
                $0.linux?.readonlyPaths?.append("/out")
            }
            symlink("../../../../../../.." + target, fixture.inRoot("c", "/out"))
            try Files.makeDirectories(fixture.inRoot("c", target))
            try Files.write(fixture.inRoot("c", target + "/file"), "image\n")
            let result = try await fixture.runtime(["run", "--bundle", bundle, "c"])
            #expect(result.line == "end", "\(result)")
            #expect(result.errors.contains("Read-only file system"), "\(result)")
            #expect(try Files.text(target + "/file") == "host\n")
        }
    }
}
