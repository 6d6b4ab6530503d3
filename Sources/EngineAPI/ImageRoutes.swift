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
    private var platforms: PlatformQuery { PlatformQuery(engine: engine) }

    func register(_ router: inout Router) {
        router.on("GET", "images/json", list)
        router.on("POST", "images/create", create)
        router.on("POST", "images/load", load)
        router.on("GET", "images/get") { request in try await save(request, request.target.all("names")) }
        router.on("POST", "images/prune", prune)
        router.on("GET", "images/search") { _ in throw Self.withoutRegistries("searching registries") }
        router.on("GET", "images/{name...}/json") { request in
            try await platforms.check(request, image: request["name"])
            let image = try store.image(request["name"])
            return .json(try ImageShapes.inspection(image, manifest: store.manifest(for: image.id.description)))
        }
        router.on("GET", "images/{name...}/history") { request in
            try await platforms.check(request, image: request["name"])
            return .json(.array(try store.history(request["name"]).map(ImageShapes.history)))
        }
        router.on("GET", "images/{name...}/get") { request in try await save(request, [request["name"]]) }
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

    private func list(_ request: APIRequest) async throws -> APIResponse {
        let filter = try ImageFilter(request.filters(), store: store, now: Clock.now())
        let users = Dictionary(grouping: await engine.imageUsers(), by: \.image).mapValues(\.count)
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
        let platform = try await platforms.platform(request)
        return .progress { writer in
            let image = try await DescriptorStream.reading(request.body) { descriptor in
                try await engine.importImage(
                    from: descriptor, reference: name, changes: changes, message: message, platform: platform)
            }
            try await writer.write(line: ["status": .string(image.id.description)])
        }
    }

    private func load(_ request: APIRequest) async throws -> APIResponse {
        try await platforms.checkHost(request)
        return .progress { writer in
            let (lines, continuation) = AsyncStream.makeStream(of: String.self)
            let work = Task {
                defer { continuation.finish() }
                return try await DescriptorStream.reading(request.body) { descriptor in
                    try await engine.loadImages(from: descriptor) { continuation.yield($0.message) }
                }
            }
            try await withTaskCancellationHandler {
                for await line in lines { try await writer.write(line: ["stream": .string(line + "\n")]) }
                _ = try await work.value
            } onCancel: {
                work.cancel()
            }
        }
    }

    private func save(_ request: APIRequest, _ names: [String]) async throws -> APIResponse {
        let names = names.flatMap { $0.split(separator: ",").map(String.init) }
        guard !names.isEmpty else { throw EngineError(.invalidParameter, "names of images are needed") }
        for name in names {
            _ = try store.image(name)
            try await platforms.check(request, image: name)
        }
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
        try await engine.tagImage(request["name"], as: reference)
        return APIResponse(status: 201)
    }

    private func remove(_ request: APIRequest) async throws -> APIResponse {
        let removals = try await engine.removeImage(request["name"], force: request.flag("force"))
        return .json(.array(removals.map(ImageShapes.removal)))
    }

    private func prune(_ request: APIRequest) async throws -> APIResponse {
        let (removals, bytes) = try await engine.pruneImages(request.filters())
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
