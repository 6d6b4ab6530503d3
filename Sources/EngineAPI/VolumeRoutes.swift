import Engine
import EngineModel
import JSON

/// `/volumes`.
struct VolumeRoutes: Sendable {
    static let knownFilters: Set<String> = ["dangling", "driver", "label", "name"]

    let engine: Engine

    /// Engine API: VolumeCreateOptions.
    private struct Creation: Decodable {
        var name: String
        var driver: String
        var driverOpts: [String: String]
        var labels: [String: String]
    }

    func register(_ router: inout Router) {
        router.on("GET", "volumes", list)
        router.on("POST", "volumes/create") { request in
            let body = try await request.decode(Creation.self)
            let record = try await engine.createVolume(
                name: body.name, driver: body.driver.isEmpty ? "local" : body.driver, options: body.driverOpts,
                labels: body.labels)
            return .json(shape(record), status: 201)
        }
        router.on("POST", "volumes/prune") { request in
            var filters = try request.filters()
            try filters.check(known: ["all", "label", "label!"])
            // Before 1.42 there was no such filter: named volumes went too.
            if request.version < 42 { filters.values["all"] = ["true"] }
            let (deleted, bytes) = try await engine.pruneVolumes(filters)
            return .json([
                "VolumesDeleted": deleted.isEmpty ? .null : .strings(deleted), "SpaceReclaimed": .integer(bytes),
            ])
        }
        router.on("GET", "volumes/{name}") { request in .json(shape(try await engine.volume(request["name"]))) }
        router.on("DELETE", "volumes/{name}") { request in
            try await engine.removeVolume(request["name"], force: request.flag("force"))
            return .noContent
        }
    }

    private func list(_ request: APIRequest) async throws -> APIResponse {
        let filters = try request.filters()
        try filters.check(known: Self.knownFilters)
        var shown: [JSONValue] = []
        for record in await engine.volumes().sorted(by: { $0.name < $1.name }) {
            guard filters.matches("name", { record.name.contains($0) }), filters.matches(labels: record.labels),
                filters.matches("driver", { record.driver == $0 })
            else { continue }
            if filters.values["dangling"] != nil {
                let isUsed = await !engine.users(ofVolume: record.name).isEmpty
                guard filters.matches("dangling", { ["1", "true"].contains($0.lowercased()) != isUsed }) else {
                    continue
                }
            }
            shown.append(shape(record))
        }
        return .json(["Volumes": .array(shown), "Warnings": nil])
    }

    private func shape(_ record: VolumeRecord) -> JSONValue {
        VolumeShapes.volume(record, mountpoint: engine.mountpoint(of: record.name))
    }
}

/// Volumes as the Engine API shows them.
enum VolumeShapes {
    /// Engine API: Volume.
    static func volume(_ record: VolumeRecord, mountpoint: String, usage: VolumeUsage? = nil) -> JSONValue {
        var labels = record.labels
        if record.isAnonymous { labels["com.docker.volume.anonymous"] = "" }
        var value: JSONValue = [
            "Name": .string(record.name), "Driver": .string(record.driver), "Mountpoint": .string(mountpoint),
            "CreatedAt": .string(record.createdAt.description), "Scope": "local",
            "Labels": labels.isEmpty ? .null : .texts(labels),
            "Options": record.options.isEmpty ? .null : .texts(record.options),
        ]
        if let usage {
            value["UsageData"] = ["Size": .integer(usage.bytes), "RefCount": .integer(Int64(usage.containers))]
        }
        return value
    }
}
