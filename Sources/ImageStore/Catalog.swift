import JSON
import OCI
import Values

/// What the store knows of one image.
struct CatalogEntry: Sendable {
    let id: Digest
    let manifest: Digest
    let manifestBytes: [UInt8]
    let configuration: ImageConfiguration
    /// All blobs of the image, the manifest and the configuration among them.
    let blobs: [Digest]
    /// The layers' blobs, lowest first.
    let layerBlobs: [ContentDescriptor]
    let chain: [Digest]
    let layerSizes: [Int64]
    var parent: Digest?
    var lastTagged: Timestamp?
}

/// The images of a store and their names: a value that decides what may be named and removed.
struct Catalog: Sendable {
    private(set) var entries: [Digest: CatalogEntry] = [:]
    /// Whole references, each with a tag or a digest.
    private(set) var references: [ImageReference: Digest] = [:]

    /// How an image was found.
    enum Found {
        case reference(ImageReference, Digest)
        case id(Digest)

        var id: Digest {
            switch self {
            case .reference(_, let id), .id(let id): id
            }
        }
    }

    /// Finds an image by reference, identifier, manifest digest or unique prefix of an identifier.
    func find(_ name: String) throws(ImageStoreError) -> Found {
        if let digest = Digest(parsing: name) ?? Digest(hex: name) {
            if entries[digest] != nil { return .id(digest) }
            if let entry = entries.values.first(where: { $0.manifest == digest }) { return .id(entry.id) }
            throw .noSuchImage(digest.description)
        }
        let reference = try Self.reference(name).tagged
        if let digest = reference.digest {
            let pinned = reference.with(digest: digest)
            if let id = references[pinned] { return .reference(pinned, id) }
            let named = references.first { $0.key.name == reference.name && entries[$0.value]?.manifest == digest }
            if let named { return .id(named.value) }
        } else if let id = references[reference] {
            return .reference(reference, id)
        }
        let prefix = name.hasPrefix("sha256:") ? name.dropFirst(7) : name[...]
        if !prefix.isEmpty {
            let matches = entries.keys.filter { $0.hex.hasPrefix(prefix) }
            if matches.count == 1 { return .id(matches[0]) }
        }
        throw .noSuchImage(reference.familiar)
    }

    static func reference(_ name: String) throws(ImageStoreError) -> ImageReference {
        do { return try ImageReference(parsing: name) } catch {
            throw ImageStoreError(.invalidParameter, error.message)
        }
    }

    func references(of id: Digest) -> [ImageReference] {
        references.filter { $0.value == id }.keys.sorted { $0.description < $1.description }
    }

    func record(_ id: Digest) -> ImageRecord? {
        guard let entry = entries[id] else { return nil }
        let names = references(of: id)
        return ImageRecord(
            id: id, manifest: entry.manifest, configuration: entry.configuration,
            size: entry.layerSizes.reduce(0, +), layers: entry.chain, layerSizes: entry.layerSizes,
            parent: entry.parent, lastTagged: entry.lastTagged,
            references: names.filter { $0.digest == nil }.map(\.familiar).sorted(),
            repoDigests: names.filter { $0.digest != nil }.map(\.familiar).sorted())
    }

    func needs(blob: Digest) -> Bool { entries.values.contains { $0.blobs.contains(blob) } }
    func needs(layer: Digest) -> Bool { entries.values.contains { $0.chain.contains(layer) } }

    /// Adds an image; one that is there already keeps its names and its past.
    mutating func insert(_ entry: CatalogEntry) {
        var entry = entry
        if let known = entries[entry.id] {
            entry.parent = entry.parent ?? known.parent
            entry.lastTagged = entry.lastTagged ?? known.lastTagged
        }
        entries[entry.id] = entry
    }

    /// Gives an image a name; returns the image that had it.
    mutating func assign(_ reference: ImageReference, to id: Digest, at time: Timestamp?) -> Digest? {
        let previous = references.updateValue(id, forKey: reference)
        if let time { entries[id]?.lastTagged = time }
        return previous == id ? nil : previous
    }
}

// Docker's rules for removal.
extension Catalog {
    /// Takes a name from an image, or removes it, as `docker rmi` does; returns what was done and the entry that went.
    mutating func remove(
        _ name: String, force: Bool, users: [ImageUser]
    ) throws(ImageStoreError) -> (removals: [ImageRemoval], removed: CatalogEntry?) {
        let found = try find(name)
        let id = found.id
        let users = users.filter { $0.image == id }
        var removals: [ImageRemoval] = []
        switch found {
        case .reference(let reference, _):
            if !force, isSingle(references(of: id)), let user = users.first {
                throw ImageStoreError(
                    .conflict,
                    "conflict: unable to remove repository reference \"\(name)\" (must force) - container "
                        + "\(user.container.prefix(12)) is using its referenced image \(id.short)")
            }
            untag(reference, &removals)
            // Digests of a repository go with the last tag in it.
            let rest = references(of: id)
            if reference.digest == nil, !rest.contains(where: { $0.digest == nil && $0.name == reference.name }) {
                for pinned in rest where pinned.name == reference.name { untag(pinned, &removals) }
            }
            if !references(of: id).isEmpty { return (removals, nil) }
            // Only the name was asked for: an image in use stays without one.
            guard conflict(id, force: force, users: users) == nil else { return (removals, nil) }
        case .id:
            let names = references(of: id)
            if isSingle(names) {
                if let conflict = conflict(id, force: force, users: users, ignoringReferences: true) { throw conflict }
                for reference in names { untag(reference, &removals) }
            }
            if let conflict = conflict(id, force: force, users: users) { throw conflict }
            for reference in references(of: id) { untag(reference, &removals) }
        }
        let entry = entries.removeValue(forKey: id)
        removals.append(.deleted(id))
        return (removals, entry)
    }

    private mutating func untag(_ reference: ImageReference, _ removals: inout [ImageRemoval]) {
        references[reference] = nil
        removals.append(.untagged(reference.familiar))
    }

    /// Whether at most one tag names the image and all names are of one repository.
    private func isSingle(_ names: [ImageReference]) -> Bool {
        names.count { $0.digest == nil } <= 1 && Set(names.map(\.name)).count <= 1
    }

    private func conflict(
        _ id: Digest, force: Bool, users: [ImageUser], ignoringReferences: Bool = false
    ) -> ImageStoreError? {
        func error(_ isHard: Bool, _ reason: String) -> ImageStoreError {
            ImageStoreError(
                .conflict,
                "conflict: unable to delete \(id.short) (\(isHard ? "cannot be forced" : "must be forced")) - \(reason)"
            )
        }
        if entries.values.contains(where: { $0.parent == id }) {
            return error(true, "image has dependent child images")
        }
        if let user = users.first(where: \.isRunning) {
            return error(true, "image is being used by running container \(user.container.prefix(12))")
        }
        if force { return nil }
        if !ignoringReferences, !references(of: id).isEmpty {
            return error(false, "image is referenced in multiple repositories")
        }
        return users.first.map { error(false, "image is being used by stopped container \($0.container.prefix(12))") }
    }

    /// Removes images that no container uses: those without a name, or all of them.
    mutating func prune(
        all: Bool, users: [ImageUser], matches: (ImageRecord) -> Bool
    ) -> (removals: [ImageRemoval], removed: [CatalogEntry]) {
        var removals: [ImageRemoval] = []
        var removed: [CatalogEntry] = []
        let used = Set(users.map(\.image))
        var grew = true
        // A parent can go when its last child has gone.
        while grew {
            grew = false
            for id in entries.keys.sorted() where !used.contains(id) {
                guard let record = record(id), all || record.isDangling, matches(record),
                    !entries.values.contains(where: { $0.parent == id })
                else { continue }
                for reference in references(of: id) { untag(reference, &removals) }
                if let entry = entries.removeValue(forKey: id) { removed.append(entry) }
                removals.append(.deleted(id))
                grew = true
            }
        }
        return (removals, removed)
    }
}

/// The catalog's file: what cannot be read from the blobs.
struct CatalogFile: Codable {
    struct Image: Codable {
        var id: Digest
        var manifest: Digest
        var parent: Digest?
        var lastTagged: Timestamp?
    }

    /// Raised when a store that is older could not read the file.
    static let currentVersion = 1

    var version: Int
    var images: [Image]
    /// Image identifiers by whole reference.
    var references: [String: Digest]

    init(_ catalog: Catalog) {
        version = Self.currentVersion
        images = catalog.entries.values.sorted { $0.id < $1.id }.map {
            Image(id: $0.id, manifest: $0.manifest, parent: $0.parent, lastTagged: $0.lastTagged)
        }
        references = Dictionary(
            uniqueKeysWithValues: catalog.references.map { ($0.key.description, $0.value) })
    }
}
