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
        for image in loaded { imageEvent(image.id.description, "load", name: image.references.first) }
        return loaded
    }

    public func importImage(
        from descriptor: Int32, reference: String?, changes: [String], message: String, platform: Platform? = nil
    ) async throws -> ImageRecord {
        let image = try await translated {
            try await images.importRoot(
                from: descriptor, reference: reference, changes: changes, message: message, platform: platform)
        }
        imageEvent(image.id.description, "import", name: reference)
        return image
    }

    public func tagImage(_ name: String, as reference: String) async throws {
        try await translated { try await images.tag(name, as: reference) }
        imageEvent((try? images.image(reference))?.id.description ?? name, "tag", name: reference)
    }

    public func removeImage(_ name: String, force: Bool = false) async throws -> [ImageRemoval] {
        let id = (try? images.image(name))?.id.description ?? name
        let users = imageUsers()
        let removals = try await translated { try await images.remove(name, force: force, users: users) }
        tell(removals, of: id)
        return removals
    }

    /// Removes images without a name (filter `dangling=false`: all that no container uses).
    public func pruneImages(
        _ filters: ObjectFilters
    ) async throws -> (removals: [ImageRemoval], reclaimedBytes: Int64) {
        let filter = try PruneFilter(filters, now: Clock.now(), known: ["dangling"])
        let all = (filters.values["dangling"] ?? []).contains { $0 == "false" || $0 == "0" }
        let users = imageUsers()
        let result = try await translated {
            try await images.prune(all: all, users: users) { image in
                filter.matches(image.configuration.parameters.labels, image.created)
            }
        }
        tell(result.removals, of: nil)
        return result
    }

    private func tell(_ removals: [ImageRemoval], of id: String?) {
        for removal in removals {
            if let reference = removal.untagged { imageEvent(id ?? reference, "untag", name: reference) }
            if let digest = removal.deleted { imageEvent(digest, "delete", name: nil) }
        }
    }

    private func imageEvent(_ id: String, _ action: String, name: String?) {
        events.publish(
            EngineEvent(
                kind: .image, action: action, id: id, attributes: ["name": name ?? id], time: Clock.now()))
    }

    private func translated<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch let error as ImageStoreError { throw EngineError(error) }
    }
}
