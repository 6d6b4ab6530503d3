import Engine
import EngineModel
import ImageStore
import JSON
import LinuxSystem
import OCI
import Values

/// `/images` and `/distribution`.
struct ImageRoutes: Sendable {
    let engine: Engine

    private var store: ImageStore { engine.images }

    func register(_ router: inout Router) {
        router.on("GET", "images/json", list)
        router.on("POST", "images/create", create)
        router.on("POST", "images/load", load)
        router.on("GET", "images/get") { request in try save(request.target.all("names")) }
        router.on("POST", "images/prune", prune)
        router.on("GET", "images/search") { _ in throw Self.withoutRegistries("searching registries") }
        router.on("GET", "images/{name...}/json") { request in
            let image = try store.image(request["name"])
            return .json(try ImageShapes.inspection(image, manifest: store.manifest(for: image.id.description)))
        }
        router.on("GET", "images/{name...}/history") { request in
            .json(.array(try store.history(request["name"]).map(ImageShapes.history)))
        }
        router.on("GET", "images/{name...}/get") { request in try save([request["name"]]) }
        router.on("POST", "images/{name...}/tag", tag)
        router.on("POST", "images/{name...}/push") { _ in throw Self.withoutRegistries("pushing images") }
        router.on("DELETE", "images/{name...}", remove)
        router.on("GET", "distribution/{name...}/json", distribution)
    }

    private static func withoutRegistries(_ what: String) -> EngineError {
        EngineError(
            .notImplemented,
            "\(what) is not available yet: bring images with \"docker load\" or \"docker import\"; hosts of a cluster "
                + "get them from each other")
    }

    private func users() async -> [ImageUser] {
        await engine.containers().compactMap { record in
            Digest(parsing: record.imageID).map {
                ImageUser(container: record.id, image: $0, isRunning: record.state.isRunning)
            }
        }
    }

    private func publish(_ action: String, _ id: String, name: String) {
        engine.events.publish(
            EngineEvent(kind: .image, action: action, id: id, attributes: ["name": name], time: Clock.now()))
    }

    private func list(_ request: APIRequest) async throws -> APIResponse {
        let filter = try ImageFilter(request.filters(), store: store)
        let users = Dictionary(grouping: await users(), by: \.image).mapValues(\.count)
        return .json(
            .array(
                store.images().filter(filter.matches).map { image in
                    ImageShapes.summary(
                        image, references: image.references.filter(filter.shows), containers: users[image.id] ?? 0,
                        version: request.version)
                }))
    }

    /// `docker import`; pulling needs registries.
    private func create(_ request: APIRequest) async throws -> APIResponse {
        if let image = request.text("fromImage") {
            throw Self.withoutRegistries("pulling \(image) from a registry")
        }
        guard let source = request.text("fromSrc") else {
            throw EngineError(.invalidParameter, "fromSrc or fromImage is needed")
        }
        guard source == "-" else {
            throw EngineError(
                .notImplemented, "importing from \(source) is not available: send the archive itself (\"-\")")
        }
        var reference = request.text("repo")
        if let name = reference, let tag = request.text("tag") { reference = "\(name):\(tag)" }
        let changes = request.target.all("changes")
        let message = request.text("message") ?? ""
        let name = reference
        return .progress { writer in
            let image = try await DescriptorStream.reading(request.body) { descriptor in
                try await store.importRoot(from: descriptor, reference: name, changes: changes, message: message)
            }
            publish("import", image.id.description, name: name ?? image.id.description)
            try await writer.write(line: ["status": .string(image.id.description)])
        }
    }

    private func load(_ request: APIRequest) async throws -> APIResponse {
        .progress { writer in
            let (lines, continuation) = AsyncStream.makeStream(of: String.self)
            let work = Task {
                defer { continuation.finish() }
                return try await DescriptorStream.reading(request.body) { descriptor in
                    try await store.load(from: descriptor) { continuation.yield($0.message) }
                }
            }
            try await withTaskCancellationHandler {
                for await line in lines { try await writer.write(line: ["stream": .string(line + "\n")]) }
                for image in try await work.value {
                    publish("load", image.id.description, name: image.references.first ?? image.id.description)
                }
            } onCancel: {
                work.cancel()
            }
        }
    }

    private func save(_ names: [String]) throws -> APIResponse {
        let names = names.flatMap { $0.split(separator: ",").map(String.init) }
        guard !names.isEmpty else { throw EngineError(.invalidParameter, "names of images are needed") }
        for name in names { _ = try store.image(name) }
        return .stream(contentType: "application/x-tar") { writer in
            try await DescriptorStream.writing(to: writer) { descriptor in
                try await store.save(names, to: descriptor)
            }
        }
    }

    private func tag(_ request: APIRequest) async throws -> APIResponse {
        guard let repository = request.text("repo") else {
            throw EngineError(.invalidParameter, "invalid reference format")
        }
        let reference = repository + (request.text("tag").map { ":" + $0 } ?? "")
        try await store.tag(request["name"], as: reference)
        publish("tag", try store.image(reference).id.description, name: reference)
        return APIResponse(status: 201)
    }

    private func remove(_ request: APIRequest) async throws -> APIResponse {
        let id = try store.image(request["name"]).id.description
        let removals = try await store.remove(request["name"], force: request.flag("force"), users: await users())
        for removal in removals {
            if let reference = removal.untagged { publish("untag", id, name: reference) }
            if removal.deleted == id { publish("delete", id, name: id) }
        }
        return .json(.array(removals.map(ImageShapes.removal)))
    }

    private func prune(_ request: APIRequest) async throws -> APIResponse {
        let filters = try request.filters()
        let all = ["false", "0"].contains(filters.values["dangling"]?.first ?? "true")
        var rest = filters
        rest.values["dangling"] = nil
        let filter = try ImageFilter(rest, store: store, known: ["label", "label!", "until"])
        let until = try filters.until(now: Clock.now())
        let (removals, bytes) = try await store.prune(all: all, users: await users()) { image in
            filter.matches(image) && (until.map { image.created < $0 } ?? true)
        }
        return .json([
            "ImagesDeleted": removals.isEmpty ? .null : .array(removals.map(ImageShapes.removal)),
            "SpaceReclaimed": .integer(bytes),
        ])
    }

    /// What `docker service create` asks before it pins an image by digest; answered from this host's images.
    private func distribution(_ request: APIRequest) async throws -> APIResponse {
        guard let image = try? store.image(request["name"]), let manifest = store.manifest(for: image.id.description)
        else {
            throw EngineError(.notFound, "no manifest of \(request["name"]) on this host")
        }
        return .json([
            "Descriptor": ImageShapes.descriptor(manifest),
            "Platforms": [
                [
                    "architecture": .string(image.configuration.architecture),
                    "os": .string(image.configuration.os),
                ]
            ],
        ])
    }
}
