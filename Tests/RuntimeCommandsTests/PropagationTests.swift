import CLinux
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: Mounts (propagation); config-linux.md: Rootfs Mount Propagation; mount_namespaces(7).
@Suite(.bundles) struct PropagationTests {
    private static func share(_ path: String) throws {
        try Mounts.setPropagation(path, UInt(CL_MS_SHARED))
    }

    @Test(arguments: [("private", ""), ("slave", "master:"), ("shared", "shared:"), ("unbindable", "unbindable")])
    func `a mount propagates as its options say`(word: String, wanted: String) async throws {
        try await withBundles("words") { fixture in
            let tree = try fixture.mountTree()
            for path in [tree, tree + "/sub"] { try Self.share(path) }
            let pid = try await fixture.launch("c") { $0.mount(tree, "/data", ["rbind", "r" + word]) }
            for place in ["/data", "/data/sub"] {
                let line = try #require(MountLine.at(place, of: pid))
                if wanted.isEmpty {
                    #expect(line.propagation == [], "\(line)")
                } else {
                    #expect(line.propagation.contains { $0.hasPrefix(wanted) }, "\(line)")
                }
            }
        }
    }

    @Test(arguments: [("rslave", true), ("rprivate", false)])
    func `a later mount of the host's comes to a slave alone`(word: String, comes: Bool) async throws {
        try await withBundles("later") { fixture in
            let tree = try fixture.mountTree()
            try Self.share(tree)
            try Files.makeDirectories(tree + "/late")
            try await fixture.launch("c") { $0.mount(tree, "/data", ["rbind", word]) }
            try mountTemporary(tree + "/late")
            try Files.write(tree + "/late/file", "late\n")
            let seen = try await fixture.exec("c", "cat /data/late/file")
            #expect(seen.output == (comes ? "late\n" : ""), "\(seen)")
        }
    }

    @Test(arguments: [("rshared", true), ("rslave", false), ("rprivate", false)])
    func `a mount made in the container comes to the host where it is shared alone`(word: String, comes: Bool)
        async throws
    {
        try await withBundles("back") { fixture in
            let tree = try fixture.mountTree()
            try Self.share(tree)
            try Files.makeDirectories(tree + "/late")
            let script = "mount -t tmpfs late /data/late && echo late > /data/late/file; exec sleep 1000"
            try await fixture.launch("c", script) {
                $0.grant(["CAP_SYS_ADMIN"])
                $0.linux?.rootfsPropagation = word == "rshared" ? "rshared" : nil
                $0.mount(tree, "/data", ["rbind", word])
            }
            try await waitUntil("the container has mounted") {
                try await fixture.exec("c", "cat /data/late/file").line == "late"
            }
            #expect(Files.exists(tree + "/late/file") == comes)
        }
    }

    @Test(arguments: ["shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable", nil])
    func `the root propagates as rootfsPropagation says`(word: String?) async throws {
        try await withBundles("root") { fixture in
            let bundles = fixture.directory.path("bundles")
            try mountTemporary(bundles)
            try Self.share(bundles)
            let pid = try await fixture.launch("c") { $0.linux?.rootfsPropagation = word }
            let line = try #require(MountLine.at("/", of: pid))
            switch word {
            case "shared", "rshared": #expect(line.propagation.contains { $0.hasPrefix("shared:") }, "\(line)")
            case "unbindable", "runbindable": #expect(line.propagation == ["unbindable"], "\(line)")
            case "private", "rprivate": #expect(line.propagation == [], "\(line)")
            default: #expect(!line.propagation.contains { $0.hasPrefix("shared:") }, "\(line)")
            }
            // Nothing of the container's own mounts reaches the host.
            #expect(fixture.traces(of: "c").filter { $0.hasPrefix("mount ") } == [])
            try await fixture.succeed("delete", "--force", "c")
        }
    }

    @Test func `an unknown word is an error that names it`() async throws {
        try await withBundles("unknown") { fixture in
            let bundle = try fixture.prepare("c", "true") { $0.linux?.rootfsPropagation = "sideways" }
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(result.errors.contains("sideways"), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }
}
