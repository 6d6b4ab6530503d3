import CLinux
import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: Mounts; config.md: Linux mount options.
@Suite(.bundles) struct BindMountTests {
    @Test func `a directory and a file; what they are mounted on is made`() async throws {
        try await withBundles("bind") { fixture in
            let source = fixture.directory.path("source")
            try fixture.directory.write("source/file", "host\n")
            let script = "cat /new/deep/file /etc/new; echo changed > /etc/new; touch /new/deep/made"
            let result = try await fixture.run("c", script) {
                $0.mount(source, "/new/deep", ["bind"])
                $0.mount(source + "/file", "/etc/new", ["bind", "rw"])
            }
            #expect(result.lines == ["host", "host"], "\(result)")
            #expect(try Files.text(source + "/file") == "changed\n")
            #expect(Files.exists(source + "/made"))
            #expect(Files.isDirectory(fixture.inRoot("c", "/new/deep")))
            #expect(try Files.text(fixture.inRoot("c", "/etc/new")) == "")
        }
    }

    @Test func `ro: nothing is written, and nothing of the host changes`() async throws {
        try await withBundles("bindro") { fixture in
            let source = fixture.directory.path("source")
            try fixture.directory.write("source/file", "host\n")
            let result = try await fixture.run("c", "cat /data/file; touch /data/made; echo x > /data/file; exit 0") {
                $0.mount(source, "/data", ["bind", "ro"])
            }
            #expect(result.lines == ["host"], "\(result)")
            #expect(result.errors.contains("Read-only file system"), "\(result)")
            #expect(!Files.exists(source + "/made"))
            #expect(try Files.text(source + "/file") == "host\n")
        }
    }

    @Test(arguments: [false, true]) func `bind takes the mount alone, rbind those beneath it too`(recursive: Bool)
        async throws
    {
        try await withBundles("rbind") { fixture in
            let tree = try fixture.mountTree()
            let result = try await fixture.run("c", "cat /data/file; test -e /data/sub/deep && echo deep; exit 0") {
                $0.mount(tree, "/data", [recursive ? "rbind" : "bind"])
            }
            #expect(result.lines == ["top"] + (recursive ? ["deep"] : []), "\(result)")
        }
    }

    struct Words: Sendable, CustomTestStringConvertible {
        let words: [String]
        let top: String
        /// What the mount beneath has; the flag's opposite where it does not start with the flag.
        let sub: String
        var testDescription: String { words.joined(separator: ",") }
    }

    @Test(arguments: [
        Words(words: ["ro"], top: "ro", sub: "rw"), Words(words: ["rro"], top: "ro", sub: "ro"),
        Words(words: ["nosuid"], top: "nosuid", sub: ""), Words(words: ["rnosuid"], top: "nosuid", sub: "nosuid"),
        Words(words: ["rnoexec"], top: "noexec", sub: "noexec"), Words(words: ["rnodev"], top: "nodev", sub: "nodev"),
        Words(words: ["rnoatime"], top: "noatime", sub: "noatime"),
        Words(words: ["rnosymfollow"], top: "nosymfollow", sub: "nosymfollow"),
    ]) func `options with an r before them reach the mounts beneath`(wanted: Words) async throws {
        try await withBundles("recursive") { fixture in
            let tree = try fixture.mountTree()
            let pid = try await fixture.launch("c") { $0.mount(tree, "/data", ["rbind"] + wanted.words) }
            let top = try #require(MountLine.at("/data", of: pid))
            let sub = try #require(MountLine.at("/data/sub", of: pid))
            #expect(top.options.contains(wanted.top), "\(top)")
            if wanted.sub.isEmpty {
                #expect(!sub.options.contains(wanted.top), "\(sub)")
            } else {
                #expect(sub.options.contains(wanted.sub), "\(sub)")
            }
            // The host's own mounts stay as they are.
            #expect(MountLine.at(tree, of: getpid())?.options == ["rw", "relatime"])
        }
    }

    @Test func `rsuid and rexec clear what the mounts beneath have`() async throws {
        try await withBundles("clear") { fixture in
            let tree = try fixture.mountTree(sub: CL_MS_NOSUID | CL_MS_NOEXEC)
            let pid = try await fixture.launch("c") { $0.mount(tree, "/data", ["rbind", "rsuid", "rexec"]) }
            let sub = try #require(MountLine.at("/data/sub", of: pid))
            #expect(sub.options == ["rw", "relatime"], "\(sub)")
        }
    }

    @Test func `noexec and nosymfollow hold`() async throws {
        try await withBundles("noexec") { fixture in
            let source = fixture.directory.path("source")
            try fixture.directory.write("source/program", "#!/bin/sh\necho ran\n", mode: 0o755)
            symlink("program", source + "/link")
            let result = try await fixture.run("c", "/data/program; cat /data/link; exit 0") {
                $0.mount(source, "/data", ["bind", "noexec", "nosymfollow"])
            }
            #expect(result.output == "", "\(result)")
            #expect(result.errors.contains("Permission denied"), "\(result)")
            #expect(result.errors.contains("Too many"), "\(result)")
        }
    }

    @Test func `mounts are made in the order given, and a later one covers an earlier`() async throws {
        try await withBundles("order") { fixture in
            for name in ["first", "second", "inner"] { try fixture.directory.write("\(name)/name", name + "\n") }
            try Files.makeDirectories(fixture.directory.path("second/inner"))
            let result = try await fixture.run("c", "cat /data/name /data/inner/name") {
                for (name, place) in [("first", "/data"), ("second", "/data"), ("inner", "/data/inner")] {
                    $0.mount(fixture.directory.path(name), place, ["bind"])
                }
            }
            #expect(result.lines == ["second", "inner"], "\(result)")
        }
    }
}
