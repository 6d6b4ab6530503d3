import EngineModel
import ImageStore
import LinuxSystem
import OCI
import Values

extension Engine {
    /// The containers that stand on images, for removals and prunes of the image store.
    public func imageUsers() -> [ImageUser] {
        records.values.sorted { $0.id < $1.id }.compactMap { record in
            Digest(parsing: record.imageID).map {
                ImageUser(container: record.id, image: $0, isRunning: record.state.isRunning)
            }
        }
    }

    /// Loads images from an archive; `descriptor` stays the caller's.
    public func loadImages(
        from descriptor: Int32, progress: @escaping @Sendable (ImageLoadProgress) -> Void
    ) async throws -> [ImageRecord] {
        let loaded = try await translated { try await images.load(from: descriptor, progress: progress) }
        for image in loaded { imageEvent(image, "load", name: image.references.first) }
        return loaded
    }

    /// Makes an image of one layer from the archive of a root file system; `descriptor` stays the caller's.
    public func importImage(
        from descriptor: Int32, reference: String?, changes: [String], message: String, platform: Platform? = nil
    ) async throws -> ImageRecord {
        let image = try await translated {
            try await images.importRoot(
                from: descriptor, reference: reference, changes: changes, message: message, platform: platform)
        }
        imageEvent(image, "import", name: reference)
        return image
    }

    public func tagImage(_ name: String, as reference: String) async throws {
        try await translated { try await images.tag(name, as: reference) }
        if let image = try? images.image(reference) { imageEvent(image, "tag", name: reference) }
    }

    /// Takes a name from an image, or removes it (Docker's rules).
    public func removeImage(_ name: String, force: Bool = false) async throws -> [ImageRemoval] {
        let before = images.images()
        let image = try findImage(name)
        let users = imageUsers()
        let removals = try await translated { try await images.remove(name, force: force, users: users) }
        tell(removals, of: image, before)
        return removals
    }

    /// Removes images without a name (filter `dangling=false`: all that no container uses).
    public func pruneImages(
        _ filters: ObjectFilters
    ) async throws -> (removals: [ImageRemoval], reclaimedBytes: Int64) {
        let filter = try PruneFilter(filters, now: Clock.now(), known: ["dangling"])
        let all = ["false", "0"].contains(filters.values["dangling"]?.first?.lowercased() ?? "true")
        let before = images.images()
        let users = imageUsers()
        let result = try await translated {
            try await images.prune(all: all, users: users) { image in
                filter.matches(image.configuration.parameters.labels, image.created)
            }
        }
        tell(result.removals, of: nil, before)
        return result
    }

    /// Tells of names that are gone and of images that are gone; layers have no events.
    ///
    /// - Parameters:
    ///   - image: the one that lost its names; nil where they tell.
    ///   - before: what was there.
    private func tell(_ removals: [ImageRemoval], of image: ImageRecord?, _ before: [ImageRecord]) {
        for removal in removals {
            if let reference = removal.untagged {
                let owner = before.first { ($0.references + $0.repoDigests).contains(reference) } ?? image
                if let owner { imageEvent(owner, "untag", name: reference) }
            }
            if let removed = before.first(where: { $0.id.description == removal.deleted }) {
                imageEvent(removed, "delete", name: nil)
            }
        }
    }

    private func imageEvent(_ image: ImageRecord, _ action: String, name: String?) {
        let id = image.id.description
        let attributes = image.configuration.parameters.labels.merging(["name": name ?? id]) { $1 }
        events.publish(
            EngineEvent(kind: .image, action: action, id: id, attributes: attributes, time: Clock.now()))
    }

    private func translated<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch let error as ImageStoreError { throw EngineError(error) }
    }
}
