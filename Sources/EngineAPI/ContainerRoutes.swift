import Engine
import EngineModel
import HTTPMessages
import ImageStore
import JSON
import LinuxSystem
import Values

/// `/containers`: everything but the routes with streams.
struct ContainerRoutes: Sendable {
    let engine: Engine

    func register(_ router: inout Router) {
        router.on("GET", "containers/json", list)
        router.on("POST", "containers/create", create)
        router.on("POST", "containers/prune", prune)
        router.on("GET", "containers/{id}/json", inspect)
        router.on("GET", "containers/{id}/top", top)
        router.on("DELETE", "containers/{id}", remove)
        router.on("POST", "containers/{id}/start") { request in
            try await engine.startContainer(request["id"])
            return .noContent
        }
        router.on("POST", "containers/{id}/stop") { request in
            try await engine.stopContainer(
                request["id"], signal: request.text("signal"), timeoutSeconds: try request.number("t"))
            return .noContent
        }
        router.on("POST", "containers/{id}/restart") { request in
            try await engine.restartContainer(
                request["id"], signal: request.text("signal"), timeoutSeconds: try request.number("t"))
            return .noContent
        }
        router.on("POST", "containers/{id}/kill") { request in
            do {
                try await engine.killContainer(request["id"], signal: request.text("signal"))
            } catch let error as EngineError {
                throw EngineError(error.kind, "cannot kill container: \(request["id"]): \(error.message)")
            }
            return .noContent
        }
        router.on("POST", "containers/{id}/pause") { request in
            try await engine.pauseContainer(request["id"])
            return .noContent
        }
        router.on("POST", "containers/{id}/unpause") { request in
            try await engine.unpauseContainer(request["id"])
            return .noContent
        }
        router.on("POST", "containers/{id}/rename") { request in
            guard let name = request.text("name") else {
                throw EngineError(.invalidParameter, "Neither old nor new names may be empty")
            }
            try await engine.renameContainer(request["id"], to: name.hasPrefix("/") ? String(name.dropFirst()) : name)
            return .noContent
        }
        router.on("POST", "containers/{id}/update") { request in
            let warnings = try await engine.updateContainer(
                request["id"], try await Self.update(from: request.json()))
            return .json(["Warnings": .strings(warnings)])
        }
        router.on("POST", "containers/{id}/resize") { request in
            let (rows, columns) = try Self.size(request)
            try await engine.resizeContainer(request["id"], rows: rows, columns: columns)
            return .ok
        }
    }

    /// A terminal's size from `h` and `w`.
    static func size(_ request: APIRequest) throws -> (rows: UInt16, columns: UInt16) {
        guard let rows: UInt16 = try request.number("h"), let columns: UInt16 = try request.number("w") else {
            throw EngineError(.invalidParameter, "h and w, the terminal's height and width, are needed")
        }
        return (rows, columns)
    }

    /// What clients send is whole: members that are zero mean "leave it".
    static func update(from value: JSONValue) throws -> ContainerUpdate {
        try UnsupportedSettings.check(update: value)
        var members = value.object ?? [:]
        for (name, member) in members where member.isNull || member == 0 || member == "" || member == [] {
            members[name] = nil
        }
        if members["RestartPolicy"]?["Name"]?.string ?? "" == "" { members["RestartPolicy"] = nil }
        return try JSONCoding.docker.decode(ContainerUpdate.self, from: .object(members))
    }

    private func list(_ request: APIRequest) async throws -> APIResponse {
        var filter = try ContainerFilter(
            request.filters(), all: request.flag("all"), limit: try request.number("limit"))
        for name in filter.filters.values["ancestor"] ?? [] {
            if let image = try? engine.images.image(name) { filter.ancestors.insert(image.id.description) }
        }
        let now = Clock.now()
        var entries: [JSONValue] = []
        for record in try filter.apply(await engine.containers()) {
            // A container that goes meanwhile has no size.
            let size = request.flag("size") ? try? await engine.size(of: record.id) : nil
            entries.append(
                try ContainerShapes.summary(
                    record, now: now, writableBytes: size?.writable, totalBytes: size?.total))
        }
        return .json(.array(entries))
    }

    private func create(_ request: APIRequest) async throws -> APIResponse {
        let creation = try ContainerCreation(await request.json())
        try await PlatformQuery(engine: engine).check(request, image: creation.configuration.image)
        var name = request.text("name")
        if name?.hasPrefix("/") == true { name?.removeFirst() }
        let (id, warnings) = try await engine.createContainer(name: name, creation)
        return .json(["Id": .string(id), "Warnings": .strings(warnings)], status: 201)
    }

    private func inspect(_ request: APIRequest) async throws -> APIResponse {
        let record = try await engine.container(request["id"])
        let paths = engine.paths(of: record.id)
        var around = ContainerShapes.Surroundings(
            hostnamePath: paths.hostname, hostsPath: paths.hosts, resolverPath: paths.resolver, logPath: paths.log,
            upper: paths.upper, work: paths.work, merged: paths.directory + "/rootfs")
        around.execs = await engine.execIdentifiers(of: record.id)
        around.sandboxPath = "\(engine.configuration.runDirectory)/netns/\(record.id)"
        if request.flag("size") {
            let size = try await engine.size(of: record.id)
            around.writableBytes = size.writable
            around.totalBytes = size.total
        }
        return .json(try ContainerShapes.inspection(record, around))
    }

    private func top(_ request: APIRequest) async throws -> APIResponse {
        let (titles, processes) = try await engine.top(request["id"], arguments: request.text("ps_args") ?? "-ef")
        return .json(["Titles": .strings(titles), "Processes": .array(processes.map { .strings($0) })])
    }

    private func remove(_ request: APIRequest) async throws -> APIResponse {
        guard !request.flag("link") else {
            throw EngineError(.invalidParameter, "links between containers are not supported: use networks")
        }
        try await engine.removeContainer(
            request["id"], force: request.flag("force"), removeVolumes: request.flag("v"))
        return .noContent
    }

    private func prune(_ request: APIRequest) async throws -> APIResponse {
        let filters = try request.filters()
        try filters.check(known: ["label", "label!", "until"])
        let (deleted, bytes) = try await engine.pruneContainers(filters)
        return .json([
            "ContainersDeleted": deleted.isEmpty ? .null : .strings(deleted), "SpaceReclaimed": .integer(bytes),
        ])
    }
}
