import Archive
import Glibc
import ImageStore
import JSON
import LinuxSystem
import Logging
import OCI
import TestSupport
import Testing
import Values

@Suite(.enabled(if: TestEnvironment.isRoot, "needs root"))
struct StoreTests {
    static func loaded(_ tags: [String] = ["x"], compression: ArchiveCompression? = nil) async throws -> Fixture {
        let fixture = try Fixture()
        let layers = [try Make.Layer(["a": "1"], compression), try Make.Layer(["b": "2"], compression)]
        try await fixture.load(Make.dockerArchive([Make.Image(layers: layers, tags: tags)]))
        return fixture
    }

    // MARK: save

    @Test("save and load again", arguments: [nil, ArchiveCompression.gzip, .zstd])
    func saveAndLoad(compression: ArchiveCompression?) async throws {
        let fixture = try await Self.loaded(["x:1", "x:2", "y:1"], compression: compression)
        let record = try fixture.store.image("x:1")
        let archive = try await fixture.save(["x"])
        #expect(try await fixture.save(["x"]) == archive, "the same images give the same bytes")
        let second = try Fixture()
        #expect(try await second.load(archive) == ["Loaded image: x:1", "Loaded image: x:2"])
        let again = try second.store.image("x:2")
        #expect(again.id == record.id && again.manifest == record.manifest && again.size == record.size)
        #expect(try await second.text("x:1", "b") == "2")

        // Docker before 23 reads manifest.json alone, and no zstd.
        let path = fixture.directory.path("unpacked")
        try Files.makeDirectories(path)
        try #require(try await Command.run(["tar", "-C", path, "-x"], input: archive).succeeded)
        let items = try DockerArchiveItem.parse(Files.read(path + "/manifest.json"))
        #expect(items.count == 1 && items[0].references == ["x:1", "x:2"])
        #expect(items[0].configuration == "blobs/sha256/" + record.id.hex)
        for (layer, diffID) in zip(items[0].layers, record.configuration.diffIDs) {
            var bytes = try Files.read(path + "/" + layer)
            if compression == .gzip { bytes = try await Command.run(["gzip", "-dc"], input: bytes).outputBytes }
            #expect(try Make.digest(bytes) == diffID)
        }
    }

    @Test func saveByIdHasNoTag() async throws {
        let fixture = try await Self.loaded()
        let id = try fixture.store.image("x").id
        let second = try Fixture()
        #expect(try await second.load(fixture.save([id.short])) == ["Loaded image ID: \(id)"])
        await #expect(throws: ImageStoreError(.notFound, "No such image: nope:latest")) {
            try await fixture.save(["nope"])
        }
    }

    // MARK: import, tag, history

    @Test func imports() async throws {
        let fixture = try Fixture()
        let path = fixture.directory.path("root.tar")
        try Files.write(path, Make.tar(["etc/name": "me", "etc/.wh.x": ""], compression: .zstd))
        let file = try Descriptor.open(path, O_RDONLY)
        let record = try await fixture.store.importRoot(
            from: file.rawValue, reference: "imported", changes: ["CMD [\"go\"]", "ENV A=b"], message: "from a test")
        #expect(record.references == ["imported:latest"] && record.size == 2)
        #expect(record.configuration.parameters.cmd == ["go"] && record.configuration.parameters.env == ["A=b"])
        #expect(record.configuration.os == "linux" && !record.configuration.architecture.isEmpty)
        #expect(try fixture.store.history("imported").map(\.comment) == ["from a test"])
        #expect(try await fixture.text("imported", "etc/name") == "me")

        for (changes, reference) in [(["RUN x"], "a"), ([], "Bad"), ([], "a@" + record.id.description)] {
            let again = try Descriptor.open(path, O_RDONLY)
            let error = await #expect(throws: ImageStoreError.self) {
                try await fixture.store.importRoot(
                    from: again.rawValue, reference: reference, changes: changes, message: "")
            }
            #expect(error?.kind == .invalidParameter)
        }
        let before = try fixture.content
        for bytes in [[], Array("not an archive, though long enough".utf8), try Make.tar(["../x": "evil"])] {
            try Files.write(path, bytes)
            let again = try Descriptor.open(path, O_RDONLY)
            await #expect(throws: ImageStoreError.self) {
                try await fixture.store.importRoot(from: again.rawValue, reference: nil, changes: [], message: "")
            }
        }
        #expect(try fixture.content == before)
    }

    @Test func tags() async throws {
        let fixture = try await Self.loaded()
        try await fixture.store.tag("x", as: "localhost:5000/y:v1")
        #expect(try fixture.store.image("localhost:5000/y:v1").references == ["localhost:5000/y:v1", "x:latest"])
        #expect(try fixture.store.image("x").lastTagged != nil)
        await #expect(throws: ImageStoreError(.notFound, "No such image: z:latest")) {
            try await fixture.store.tag("z", as: "w")
        }
        await #expect(throws: ImageStoreError(.invalidParameter, "invalid reference format")) {
            try await fixture.store.tag("x", as: "a b")
        }
        await #expect(throws: ImageStoreError.self) {
            try await fixture.store.tag("x", as: "y@sha256:" + String(repeating: "a", count: 64))
        }
        #expect(throws: ImageStoreError.self) { try fixture.store.image("") }
    }

    @Test func history() async throws {
        let fixture = try await Self.loaded()
        let items = try fixture.store.history("x")
        #expect(items.map(\.createdBy) == ["CMD serve", "ADD", "ADD"])
        #expect(items.map(\.size) == [0, 1, 1])
        #expect(items[0].id == (try fixture.store.image("x").id.description) && items[0].references == ["x:latest"])
        #expect(items[1].id == "<missing>" && items[1].references.isEmpty)
    }

    // MARK: restart

    /// Opens a store that was closed: a program that another test is just starting can hold the lock for a moment.
    private static func reopened(_ path: String) async throws -> ImageStore {
        try await waitFor("the store's lock") {
            do {
                return try Fixture.open(path)
            } catch let error as ImageStoreError where error.kind == .conflict {
                return nil
            }
        }
    }

    @Test("what was stored is there after a restart, what a crash left is not")
    func restart() async throws {
        let directory = try TemporaryDirectory("restart")
        let id: Digest
        do {
            let fixture = try await Self.loaded(["x", "y:1"])
            id = try fixture.store.image("x").id
            _ = rename(fixture.directory.path("store"), directory.path("store"))
            // A store is locked: two processes would spoil it.
            let error = #expect(throws: ImageStoreError.self) { try Fixture.open(directory.path("store")) }
            #expect(error?.kind == .conflict)
        }
        let root = directory.path("store")
        let stray = String(repeating: "e", count: 64)
        try Files.write(root + "/blobs/sha256/" + stray, "left over")
        try Files.makeDirectories(root + "/staging/7/diff/etc")
        try Files.makeDirectories(root + "/layers/" + stray + "/diff")
        let before = try Files.list(root + "/layers")
        do {
            let store = try await Self.reopened(root)
            let record = try store.image("x")
            #expect(record.id == id && record.references == ["x:latest", "y:1"] && record.size == 2)
            #expect(!Files.exists(root + "/blobs/sha256/" + stray))
            #expect(try Files.list(root + "/staging").isEmpty)
            // A container may stand on a layer without an image: only whoever knows the containers can tell.
            #expect(try Files.list(root + "/layers") == before)
            store.hold([root + "/layers/" + stray + "/diff"], for: "c")
            try await store.removeUnusedLayers()
            #expect(try Files.list(root + "/layers") == before)
            await store.release(container: "c")
            #expect(try Files.list(root + "/layers") == before.filter { $0 != stray })
        }
        // An unpacked layer that is lost is unpacked again; a damaged image is left out.
        try Files.removeTree(root + "/layers/" + before.first { $0 != stray }!)
        do {
            let store = try await Self.reopened(root)
            for path in try await store.lowerDirectories(of: id) { #expect(try !Files.list(path).isEmpty) }
        }
        try Files.write(root + "/blobs/sha256/" + id.hex, "damaged")
        #expect(try await Self.reopened(root).images().isEmpty)
    }

    // MARK: transfer

    @Test("an image goes from one host to another by digests")
    func transfer() async throws {
        let host = try await Self.loaded(["x:1"], compression: .gzip)
        let source = host.store
        let target = try Fixture()
        let (digest, bytes) = try #require(source.manifest(for: "x:1"))
        let manifest = try ImageManifest(parsing: bytes)
        let transfer = target.store.transfer()
        #expect(!transfer.contains(digest))
        for blob in [digest, manifest.configuration.digest] + manifest.layers.map(\.digest) {
            let handle = try source.open(blob: blob)
            let incoming = try transfer.begin(blob, size: handle.size)
            let data = try Bytes.readToEnd(handle.descriptor.rawValue, limit: 1 << 20)
            try await incoming.append(Array(data.prefix(10)))
            try await incoming.append(Array(data.dropFirst(10)))
            try await incoming.commit()
            #expect(target.store.contains(blob: blob))
        }
        let record = try await transfer.adopt(manifest: digest, references: ["x:1", "x:1@\(digest)"])
        #expect(record.references == ["x:1"] && record.repoDigests == ["x@\(digest)"])
        #expect(try target.store.image("x@\(digest)").id == source.image("x:1").id)
        #expect(try source.image("x:1@\(digest)").id == record.id, "pinned names find a loaded image too")
        #expect(try await target.text("x:1", "b") == "2")
        #expect(target.store.manifest(for: digest.description)?.bytes == bytes)
        #expect(target.store.manifest(for: "other") == nil)
    }

    @Test func transferRefusesWhatIsNotWhatItSays() async throws {
        let host = try await Self.loaded()
        let source = host.store
        let fixture = try Fixture()
        let digest = try Make.digest([1, 2, 3])
        let (manifest, bytes) = try #require(source.manifest(for: "x"))
        do {
            let transfer = fixture.store.transfer()
            let tooLong = try transfer.begin(digest, size: 2)
            await #expect(throws: ImageStoreError.self) { try await tooLong.append([1, 2, 3]) }
            let tooShort = try transfer.begin(digest, size: 3)
            try await tooShort.append([1, 2])
            await #expect(throws: ImageStoreError.self) { try await tooShort.commit() }
            let other = try transfer.begin(digest, size: 3)
            try await other.append([1, 2, 4])
            let error = await #expect(throws: ImageStoreError.self) { try await other.commit() }
            #expect(error?.kind == .corrupted)
            #expect(!fixture.store.contains(blob: digest))
            // A manifest without its blobs.
            let incoming = try transfer.begin(manifest, size: Int64(bytes.count))
            try await incoming.append(bytes)
            try await incoming.commit()
            await #expect(throws: ImageStoreError.self) {
                try await transfer.adopt(manifest: manifest, references: ["x"])
            }
            await #expect(throws: ImageStoreError.self) {
                try await transfer.adopt(manifest: manifest, references: ["x@\(digest)"])
            }
        }
        #expect(try fixture.content == [], "what was not adopted goes")
        #expect(throws: ImageStoreError.self) { _ = try fixture.store.open(blob: digest) }
    }

    @Test("loads and removals at the same time")
    func concurrency() async throws {
        let fixture = try Fixture()
        let base = try Make.Layer(["base": String(repeating: "b", count: 100_000)])
        var archives: [String] = []
        for number in 0..<4 {
            let layer = try Make.Layer(["n": "\(number)"])
            let path = fixture.directory.path("archive\(number)")
            try Files.write(
                path,
                Make.dockerArchive([Make.Image(layers: [base, layer], tags: ["x\(number)"], command: "\(number)")]))
            archives.append(path)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, path) in archives.enumerated() {
                group.addTask {
                    for _ in 0..<5 {
                        try await fixture.load(path: path)
                        let removals = try await fixture.store.remove("x\(number)", force: false, users: [])
                        #expect(removals.count >= 2)
                    }
                    try await fixture.load(path: path)
                }
            }
            try await group.waitForAll()
        }
        for number in 0..<4 {
            #expect(try await fixture.text("x\(number)", "n") == "\(number)")
            #expect(try await fixture.text("x\(number)", "base")?.utf8.count == 100_000)
        }
        let count = try fixture.content.count
        #expect(count == 5 + 4 + 4 + 5, "blobs of layers, configurations and manifests, and unpacked layers")
        for number in 0..<4 { _ = try await fixture.store.remove("x\(number)", force: false, users: []) }
        #expect(try fixture.content == [])
    }
}
