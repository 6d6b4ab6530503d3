import Archive
import Glibc
import ImageStore
import LinuxSystem
import OCI
import TestSupport
import Testing
import Values

@Suite(.enabled(if: TestEnvironment.isRoot, "needs root"))
struct LoadTests {
    @Test("docker-archive: several images and tags, a shared layer", arguments: [nil, ArchiveCompression.gzip])
    func dockerArchive(compression: ArchiveCompression?) async throws {
        let fixture = try Fixture()
        let base = try Make.Layer(["a": "1", "b": "22"])
        let top = try Make.Layer(["b": "333"], .gzip)
        let archive = try Make.dockerArchive(
            [
                Make.Image(layers: [base, top], tags: ["one:1", "user/one:latest"]),
                Make.Image(layers: [base], tags: ["two"], command: "other"),
                Make.Image(layers: [top, base], tags: []),
            ], compression: compression)
        let lines = try await fixture.load(archive)
        let untagged = try #require(fixture.store.images().first { $0.isDangling })
        #expect(
            lines == [
                "Loaded image: one:1", "Loaded image: user/one:latest", "Loaded image: two:latest",
                "Loaded image ID: \(untagged.id)",
            ])
        let one = try fixture.store.image("one:1")
        #expect(one.references == ["one:1", "user/one:latest"] && one.repoDigests.isEmpty)
        #expect(one.size == 6 && one.layerSizes == [3, 3] && one.layers[0] == base.diffID)
        #expect(one.configuration.parameters.cmd == ["serve"])
        #expect(one.created.description == "2024-01-01T00:00:00Z")
        #expect(try await fixture.text("one:1", "b") == "333")
        #expect(try await fixture.text("two", "b") == "22")
        let shared = try await fixture.store.lowerDirectories(of: fixture.store.image("two").id)
        #expect(try await fixture.store.lowerDirectories(of: one.id).last == shared[0])
        #expect(try fixture.store.image(one.id.hex.prefix(10).description).id == one.id)
        #expect(try fixture.store.image(one.manifest.description).id == one.id)

        // The same archive gives the same manifest on every host.
        let other = try Fixture()
        try await other.load(archive)
        #expect(try other.store.image("one:1").manifest == one.manifest)
    }

    @Test("OCI layout", arguments: [nil, ArchiveCompression.gzip, .zstd])
    func layout(compression: ArchiveCompression?) async throws {
        for nested in [false, true] {
            let fixture = try Fixture()
            let layer = try Make.Layer(["f": "x"], compression)
            let archive = try Make.layout(
                Make.Image(layers: [layer], tags: ["example.com/a/b:1"]), nested: nested)
            #expect(try await fixture.load(archive) == ["Loaded image: example.com/a/b:1"])
            #expect(try await fixture.text("example.com/a/b:1", "f") == "x")
        }
        // A tag alone is no name.
        let fixture = try Fixture()
        let layer = try Make.Layer(["f": "x"])
        let lines = try await fixture.load(Make.layout(Make.Image(layers: [layer], tags: ["latest"])))
        #expect(lines == ["Loaded image ID: \(fixture.store.images()[0].id)"])
    }

    @Test("a tag moves and the old image loses it")
    func renamed() async throws {
        let fixture = try Fixture()
        let layer = try Make.Layer(["f": "1"])
        try await fixture.load(Make.dockerArchive([Make.Image(layers: [layer], tags: ["x"])]))
        let old = try fixture.store.image("x").id
        let lines = try await fixture.load(
            Make.dockerArchive([Make.Image(layers: [layer], tags: ["x"], command: "new")]))
        #expect(
            lines == [
                "The image x:latest already exists, renaming the old one with ID \(old) to empty string",
                "Loaded image: x:latest",
            ])
        #expect(fixture.store.image(id: old)?.isDangling == true)
    }

    @Test("docker-archives of old: a layer that is a link to another image's")
    func linkedLayers() async throws {
        let fixture = try Fixture()
        let layer = try Make.Layer(["f": "1"])
        let archive = try Make.dockerArchive([
            Make.Image(layers: [layer], tags: ["a"]), Make.Image(layers: [layer], tags: ["b"], command: "b"),
        ]) { files in
            let index = files.firstIndex { $0.0.path == Array("1-0/layer.tar".utf8) }!
            files[index] = (
                ArchiveEntry("1-0/layer.tar", .symbolicLink(target: Array("../0-0/layer.tar".utf8)), mode: 0o777), []
            )
        }
        try await fixture.load(archive)
        #expect(try await fixture.text("b", "f") == "1")
    }

    /// What must be refused: a name, the archive and the kind of the error.
    static let refused: [(String, ImageStoreError.Kind, @Sendable () throws -> [UInt8])] = {
        @Sendable func image(_ change: (inout [(ArchiveEntry, [UInt8])]) -> Void) throws -> [UInt8] {
            let good = Make.Image(layers: [try Make.Layer(["ok": "1"])], tags: ["good"])
            let bad = Make.Image(layers: [try Make.Layer(["f": "content"])], tags: ["bad"], command: "bad")
            return try Make.dockerArchive([good, bad], change: change)
        }
        @Sendable func evil(_ entry: ArchiveEntry) throws -> [UInt8] {
            let layer = try Make.Layer([(ArchiveEntry("fine"), [1]), (entry, [])])
            return try Make.dockerArchive([Make.Image(layers: [layer], tags: ["evil"])])
        }
        @Sendable func replace(_ path: String, _ files: inout [(ArchiveEntry, [UInt8])], _ body: ([UInt8]) -> [UInt8]) {
            let index = files.firstIndex { $0.0.path == Array(path.utf8) }!
            files[index].1 = body(files[index].1)
        }
        let symbolic = { @Sendable (text: String) in ArchiveEntry.Kind.symbolicLink(target: Array(text.utf8)) }
        return [
            ("empty", .invalidParameter, { [] }),
            ("garbage", .corrupted, { Array("this is not an archive".utf8) }),
            ("nothing in it", .invalidParameter, { try Make.tar(["x": "y"]) }),
            ("cut short", .corrupted, { Array(try image { _ in }.prefix(3000)) }),
            ("not JSON", .invalidParameter, { try image { replace("manifest.json", &$0) { _ in [0x5b] } } }),
            ("no configuration", .corrupted, { try image { $0.removeAll { $0.0.path == Array("1.json".utf8) } } }),
            ("no layer", .corrupted, { try image { $0.removeAll { $0.0.path == Array("1-0/layer.tar".utf8) } } }),
            (
                "a layer with another diff id", .corrupted,
                { try image { replace("1-0/layer.tar", &$0) { $0.map { $0 == 0x63 ? 0x64 : $0 } } } }
            ),
            (
                "a layer cut short", .corrupted,
                { try image { replace("1-0/layer.tar", &$0) { Array($0.prefix(600)) } } }
            ),
            (
                "a layer that is no archive", .corrupted,
                { try image { replace("1-0/layer.tar", &$0) { _ in [1, 2] } } }
            ),
            ("archive with ..", .corrupted, { try image { $0.insert((ArchiveEntry("../x"), [1]), at: 0) } }),
            ("archive with an absolute path", .corrupted, { try image { $0.append((ArchiveEntry("/etc/x"), [1])) } }),
            (
                "archive with a link out", .corrupted,
                { try image { $0.append((ArchiveEntry("l", symbolic("../../etc/passwd"), mode: 0o777), [])) } }
            ),
            ("layer with ..", .corrupted, { try evil(ArchiveEntry("../../../evil")) }),
            ("layer with an absolute path", .corrupted, { try evil(ArchiveEntry("/tmp/evil")) }),
            ("layer with a link out", .corrupted, { try evil(ArchiveEntry("l", symbolic("../../x"), mode: 0o777)) }),
            (
                "layer with a hard link out", .corrupted,
                { try evil(ArchiveEntry("h", .hardLink(target: Array("../../../images.json".utf8)))) }
            ),
            (
                "layout with a damaged blob", .corrupted,
                {
                    try Make.layout(Make.Image(layers: [Make.Layer(["f": "x"])], tags: ["a/b:1"])) { $0[0].1[600] ^= 1 }
                }
            ),
            (
                "layout without a blob", .corrupted,
                {
                    try Make.layout(Make.Image(layers: [Make.Layer(["f": "x"])], tags: ["a/b:1"])) {
                        $0.removeFirst()
                    }
                }
            ),
            (
                "for another system", .invalidParameter,
                {
                    try image {
                        replace("1.json", &$0) {
                            Array(String(decoding: $0, as: UTF8.self).replacing("linux", with: "plan9").utf8)
                        }
                    }
                }
            ),
            (
                "a bad tag", .invalidParameter,
                { try Make.dockerArchive([Make.Image(layers: [Make.Layer(["f": "x"])], tags: ["Bad:1"])]) }
            ),
        ]
    }()

    @Test("refused, and nothing is left", arguments: refused.indices)
    func refusals(index: Int) async throws {
        let (name, kind, make) = Self.refused[index]
        let fixture = try Fixture()
        let bytes = try make()
        let error = await #expect(throws: ImageStoreError.self, "\(name)") { try await fixture.load(bytes) }
        #expect(error?.kind == kind, "\(name): \(String(describing: error))")
        #expect(fixture.store.images().isEmpty, "all of an archive or none of it")
        #expect(try fixture.content == [], "\(name)")
        #expect(try Files.list(fixture.directory.path) == ["archive", "store"])
        #expect(!Files.exists("/tmp/evil"))
    }

    @Test("overlayfs shows what the layers mean: whiteouts, opaque directories, hard links")
    func overlay() async throws {
        let fixture = try Fixture()
        func entry(_ path: String, _ text: String = "") -> (ArchiveEntry, [UInt8]) {
            (ArchiveEntry(path), Array(text.utf8))
        }
        let lower = try Make.Layer([
            entry("keep", "1"), entry("gone", "1"), entry("dir/old", "1"), entry("opaque/old", "1"),
            entry("shared", "s"), (ArchiveEntry("linked", .hardLink(target: Array("shared".utf8))), []),
        ])
        let upper = try Make.Layer([
            entry(".wh.gone"), entry("dir/.wh.old"), entry("dir/new", "2"), entry("opaque/.wh..wh..opq"),
            entry("opaque/new", "2"), entry("keep", "2"),
        ])
        try await fixture.load(Make.dockerArchive([Make.Image(layers: [lower, upper], tags: ["x"])]))
        let layers = try await fixture.store.lowerDirectories(of: fixture.store.image("x").id)
        let root = fixture.directory.path("merged")
        try Files.makeDirectories(root)
        try Mounts.mount("overlay", on: root, type: "overlay", data: "lowerdir=" + layers.joined(separator: ":"))
        defer { try? Mounts.detach(root) }
        #expect(try Files.list(root) == ["dir", "keep", "linked", "opaque", "shared"])
        #expect(try Files.list(root + "/dir") == ["new"] && Files.list(root + "/opaque") == ["new"])
        #expect(try Files.text(root + "/keep") == "2" && Files.text(root + "/linked") == "s")
    }

    @Test("the archive of scripts/lib/image.sh, and its files in a container")
    func busybox() async throws {
        let fixture = try Fixture()
        let script = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let archive = fixture.directory.path("demo.tar")
        let made = try await Command.run([
            "bash", "-c", "source /\(script)/scripts/lib/image.sh; busybox_image demo:1 1 \(archive)",
        ])
        try #require(made.succeeded, "\(made.errorOutput)")
        #expect(try await fixture.load(path: archive) == ["Loaded image: demo:1"])
        let root = try await fixture.store.lowerDirectories(of: fixture.store.image("demo:1").id)[0]
        let ran = try await Command.run(["chroot", root, "/bin/echo", "it runs"])
        #expect(ran.output == "it runs\n")
        #expect(try fixture.store.image("demo:1").configuration.parameters.cmd == ["serve"])
    }
}
