import ImageStore
import LinuxSystem
import OCI
import TestSupport
import Testing
import Values

/// Docker's rules for `rmi` and `image prune`, and their texts.
@Suite(.enabled(if: TestEnvironment.isRoot, "needs root"))
struct RemovalTests {
    static let container = String(repeating: "c0ffee", count: 10) + "0123"

    static func user(_ image: Digest, isRunning: Bool = false) -> ImageUser {
        ImageUser(container: container, image: image, isRunning: isRunning)
    }

    @Test("the last name takes the image along, another does not")
    func names() async throws {
        let fixture = try await StoreTests.loaded(["x:1", "x:2"])
        let record = try fixture.store.image("x:1")
        #expect(
            try await fixture.store.remove("x:1", force: false, users: []) == [
                ImageRemoval(untagged: "x:1", deleted: nil)
            ])
        let removals = try await fixture.store.remove("x:2", force: false, users: [])
        #expect(removals.first?.untagged == "x:2")
        #expect(
            removals.dropFirst().map(\.deleted)
                == [record.id.description, record.layers[1].description, record.layers[0].description])
        #expect(try fixture.content == [])
        await #expect(throws: ImageStoreError(.notFound, "No such image: x:2")) {
            try await fixture.store.remove("x:2", force: true, users: [])
        }
    }

    @Test("by id: one name goes along, names in two repositories need force")
    func ids() async throws {
        let fixture = try await StoreTests.loaded(["x:1", "y:1"])
        let id = try fixture.store.image("x:1").id
        await #expect(
            throws: ImageStoreError(
                .conflict,
                "conflict: unable to delete \(id.short) (must be forced) - image is referenced in multiple repositories"
            )
        ) {
            try await fixture.store.remove(id.short, force: false, users: [])
        }
        #expect(try fixture.store.image("x:1").references == ["x:1", "y:1"])
        let removals = try await fixture.store.remove(id.short, force: true, users: [])
        #expect(removals.prefix(3).map(\.untagged) == ["x:1", "y:1", nil])

        let single = try await StoreTests.loaded(["x:1"])
        #expect(try await single.store.remove(id.description, force: false, users: []).first?.untagged == "x:1")
        #expect(single.store.images().isEmpty)
    }

    @Test func containers() async throws {
        let fixture = try await StoreTests.loaded(["x"])
        let id = try fixture.store.image("x").id
        let short = Self.container.prefix(12)
        await #expect(
            throws: ImageStoreError(
                .conflict,
                "conflict: unable to remove repository reference \"x\" (must force) - container \(short) is using its "
                    + "referenced image \(id.short)")
        ) {
            try await fixture.store.remove("x", force: false, users: [Self.user(id)])
        }
        await #expect(
            throws: ImageStoreError(
                .conflict,
                "conflict: unable to delete \(id.short) (must be forced) - image is being used by stopped container "
                    + "\(short)")
        ) {
            try await fixture.store.remove(id.short, force: false, users: [Self.user(id)])
        }
        await #expect(
            throws: ImageStoreError(
                .conflict,
                "conflict: unable to delete \(id.short) (cannot be forced) - image is being used by running container "
                    + "\(short)")
        ) {
            try await fixture.store.remove(id.short, force: true, users: [Self.user(id, isRunning: true)])
        }
        // Forced by name under a running container: the name goes, the image stays.
        #expect(
            try await fixture.store.remove("x", force: true, users: [Self.user(id, isRunning: true)])
                == [ImageRemoval(untagged: "x:latest", deleted: nil)])
        #expect(fixture.store.image(id: id)?.isDangling == true)
    }

    @Test("a stopped container keeps its layers though its image is removed by force")
    func heldLayers() async throws {
        let fixture = try await StoreTests.loaded(["x"])
        let id = try fixture.store.image("x").id
        let layers = try await fixture.store.lowerDirectories(of: id, heldBy: Self.container)
        let removals = try await fixture.store.remove("x", force: true, users: [Self.user(id)])
        #expect(removals.compactMap(\.deleted) == [id.description])
        #expect(layers.allSatisfy { Files.isDirectory($0) })
        await fixture.store.release(container: Self.container)
        #expect(try fixture.content == [])
    }

    @Test func sharedLayersStay() async throws {
        let fixture = try Fixture()
        let base = try Make.Layer(["a": "1"])
        try await fixture.load(
            Make.dockerArchive([
                Make.Image(layers: [base], tags: ["x"]),
                Make.Image(layers: [base, Make.Layer(["b": "2"])], tags: ["y"]),
            ]))
        let y = try fixture.store.image("y")
        let removals = try await fixture.store.remove("y", force: false, users: [])
        #expect(removals.compactMap(\.deleted) == [y.id.description, y.layers[1].description])
        #expect(try await fixture.text("x", "a") == "1")
    }

    @Test func pruning() async throws {
        let fixture = try Fixture()
        let layers = try (0..<3).map { try Make.Layer(["f": String(repeating: "x", count: 10 + $0)]) }
        try await fixture.load(
            Make.dockerArchive([
                Make.Image(layers: [layers[0]], tags: []), Make.Image(layers: [layers[1]], tags: []),
                Make.Image(layers: [layers[2]], tags: ["named"]),
            ]))
        let used = try #require(fixture.store.images().first { $0.size == 11 }).id
        let kept = try await fixture.store.prune(all: false, users: [], matches: { _ in false })
        #expect(kept.removals.isEmpty && kept.reclaimedBytes == 0)
        let dangling = try await fixture.store.prune(all: false, users: [Self.user(used)])
        #expect(dangling.reclaimedBytes == 10 && dangling.removals.count == 2)
        let all = try await fixture.store.prune(all: true, users: [Self.user(used)])
        #expect(all.removals.first?.untagged == "named:latest" && all.reclaimedBytes == 12)
        #expect(fixture.store.images().map(\.id) == [used])
    }
}
