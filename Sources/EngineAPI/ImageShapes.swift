import EngineModel
import ImageStore
import JSON
import OCI
import Values

/// Images as the Engine API shows them.
enum ImageShapes {
    /// Engine API: ImageSummary.
    static func summary(_ image: ImageRecord, references: [String], containers: Int, version: Int) -> JSONValue {
        var value: JSONValue = [
            "Id": .string(image.id.description), "ParentId": .string(image.parent?.description ?? ""),
            "RepoTags": .strings(references), "RepoDigests": .strings(image.repoDigests),
            "Created": .integer(image.created.secondsSinceEpoch), "Size": .integer(image.size), "SharedSize": -1,
            "Labels": .texts(image.configuration.parameters.labels), "Containers": .integer(Int64(containers)),
        ]
        if version < 44 { value["VirtualSize"] = .integer(image.size) }
        return value
    }

    /// Engine API: ImageInspect.
    static func inspection(_ image: ImageRecord, manifest: (digest: Digest, bytes: [UInt8])?) throws -> JSONValue {
        let configuration = image.configuration
        var config = configuration.document["config"] ?? .null
        if config.object == nil { config = [:] }
        var value: JSONValue = [
            "Id": .string(image.id.description), "RepoTags": .strings(image.references),
            "RepoDigests": .strings(image.repoDigests), "Parent": .string(image.parent?.description ?? ""),
            "Comment": .string(configuration.history.last?.comment ?? ""),
            "Created": .string(image.created.description), "DockerVersion": "",
            "Author": .string(configuration.author), "Config": configurationDefaults.overlaid(with: config),
            "Architecture": .string(configuration.architecture), "Os": .string(configuration.os),
            "Size": .integer(image.size), "GraphDriver": ["Name": "overlay2", "Data": [:]],
            "RootFS": ["Type": "layers", "Layers": .strings(configuration.diffIDs.map(\.description))],
            "Metadata": ["LastTagTime": .string(image.lastTagged?.description ?? Timestamp.zeroText)],
        ]
        if let variant = configuration.variant { value["Variant"] = .string(variant) }
        if let manifest { value["Descriptor"] = descriptor(manifest) }
        return value
    }

    private static let configurationDefaults: JSONValue = [
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false,
        "AttachStderr": false, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": nil, "Cmd": nil,
        "Image": "", "Volumes": nil, "WorkingDir": "", "Entrypoint": nil, "OnBuild": nil, "Labels": nil,
    ]

    /// OCI image-spec: descriptor.
    static func descriptor(_ manifest: (digest: Digest, bytes: [UInt8])) -> JSONValue {
        let mediaType = (try? JSONValue(parsing: manifest.bytes))?["mediaType"]?.string
        return [
            "mediaType": .string(mediaType ?? MediaType.ociManifest.name),
            "digest": .string(manifest.digest.description), "size": .integer(Int64(manifest.bytes.count)),
        ]
    }

    /// Engine API: HistoryResponseItem.
    static func history(_ item: ImageHistoryItem) -> JSONValue {
        [
            "Id": .string(item.id), "Created": .integer(item.created.secondsSinceEpoch),
            "CreatedBy": .string(item.createdBy),
            "Tags": item.references.isEmpty ? .null : .strings(item.references), "Size": .integer(item.size),
            "Comment": .string(item.comment),
        ]
    }

    /// Engine API: ImageDeleteResponseItem.
    static func removal(_ removal: ImageRemoval) -> JSONValue {
        var value: JSONValue = [:]
        if let reference = removal.untagged { value["Untagged"] = .string(reference) }
        if let deleted = removal.deleted { value["Deleted"] = .string(deleted) }
        return value
    }
}

/// Which images a list shows (Engine API: ImageList).
struct ImageFilter {
    private static let known: Set<String> = ["before", "dangling", "label", "label!", "reference", "since", "until"]

    let filters: ObjectFilters
    private let before: Timestamp?
    private let since: Timestamp?
    private let until: Timestamp?
    private let dangling: Bool?

    init(_ filters: ObjectFilters, store: ImageStore, now: Timestamp) throws {
        try filters.check(known: Self.known)
        self.filters = filters
        before = try filters.values["before"]?.first.map { try store.image($0).created }
        since = try filters.values["since"]?.first.map { try store.image($0).created }
        until = try filters.until(now: now)
        dangling = try filters.values["dangling"]?.first.map { text in
            switch text.lowercased() {
            case "1", "true": return true
            case "0", "false": return false
            default: throw EngineError(.invalidParameter, "invalid filter 'dangling=\(text)'")
            }
        }
    }

    func matches(_ image: ImageRecord) -> Bool {
        if let before, image.created >= before { return false }
        if let since, image.created <= since { return false }
        if let until, image.created >= until { return false }
        if let dangling, image.isDangling != dangling { return false }
        let labels = image.configuration.parameters.labels
        return filters.matches(labels: labels) && !filters.excludes(labels: labels)
            && filters.matches("reference") { pattern in
                image.references.contains { ReferencePattern.matches(pattern, $0) }
            }
    }

    /// Whether a reference of an image that matches is listed: Docker leaves those out that the pattern does not name.
    func shows(_ reference: String) -> Bool {
        filters.matches("reference") { ReferencePattern.matches($0, reference) }
    }
}

/// A shell pattern over references, as the filter `reference` takes it: `*` and `?` do not match a slash.
enum ReferencePattern {
    /// Matches the whole reference, or its name without the tag.
    static func matches(_ pattern: String, _ reference: String) -> Bool {
        let name = reference.lastIndex(of: ":").map {
            reference[$0...].contains("/") ? reference : String(reference[..<$0])
        }
        return glob(Array(pattern)[...], Array(reference)[...])
            || glob(Array(pattern)[...], Array(name ?? reference)[...])
    }

    private static func glob(_ pattern: ArraySlice<Character>, _ text: ArraySlice<Character>) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        switch first {
        case "*":
            var rest = text
            while true {
                if glob(pattern.dropFirst(), rest) { return true }
                guard let next = rest.first, next != "/" else { return false }
                rest = rest.dropFirst()
            }
        case "?": return text.first.map { $0 != "/" } == true && glob(pattern.dropFirst(), text.dropFirst())
        default: return text.first == first && glob(pattern.dropFirst(), text.dropFirst())
        }
    }
}
