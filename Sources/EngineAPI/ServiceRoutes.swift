import ClusterManager
import ClusterModel
import EngineModel
import JSON
import Values

/// `/services` and `/tasks`.
struct ServiceRoutes: Sendable {
    static let knownServiceFilters: Set<String> = ["id", "label", "mode", "name", "runtime"]
    static let knownTaskFilters: Set<String> = [
        "_up-to-date", "desired-state", "id", "label", "name", "node", "runtime", "service",
    ]

    let cluster: ControlPlane?

    private func access() throws(EngineError) -> ControlPlane { try ClusterAccess.required(cluster) }

    func register(_ router: inout Router) {
        router.on("GET", "services", listServices)
        router.on("POST", "services/create") { request in
            let (id, warnings) = try await access().createService(try await request.json())
            var value: JSONValue = ["ID": .string(id)]
            if !warnings.isEmpty { value["Warnings"] = .strings(warnings) }
            return .json(value, status: 201)
        }
        router.on("GET", "services/{id}") { request in
            .json(try ClusterShapes.service(try ClusterLookup.service(request["id"], try await access().state())))
        }
        router.on("DELETE", "services/{id}") { request in
            let cluster = try access()
            let service = try ClusterLookup.service(request["id"], try await cluster.state())
            try await cluster.removeService(service.id)
            return .ok
        }
        router.on("POST", "services/{id}/update") { request in
            let cluster = try access()
            let version = try SwarmRoutes.version(request)
            let document = try await request.json()
            let rollback = request.text("rollback")
            if let rollback, rollback != "previous", rollback != "none" {
                throw EngineError(.invalidParameter, "invalid rollback: \"\(rollback)\"")
            }
            let service = try ClusterLookup.service(request["id"], try await cluster.state())
            let warnings = try await cluster.updateService(
                service.id, version: version, document: document, rollback: rollback == "none" ? nil : rollback)
            return .json(["Warnings": warnings.isEmpty ? .null : .strings(warnings)])
        }
        router.on("GET", "services/{id}/logs") { request in
            let state = try await access().state()
            let service = try ClusterLookup.service(request["id"], state)
            return try await logs(
                request, of: .service(service.id),
                hasTerminal: service.spec.taskTemplate.containerSpec?.tty ?? false)
        }
        router.on("GET", "tasks", listTasks)
        router.on("GET", "tasks/{id}") { request in
            let state = try await access().state()
            return .json(try ClusterShapes.task(try ClusterLookup.task(request["id"], state), state))
        }
        router.on("GET", "tasks/{id}/logs") { request in
            let task = try ClusterLookup.task(request["id"], try await access().state())
            return try await logs(
                request, of: .task(task.id), hasTerminal: task.spec.containerSpec?.tty ?? false)
        }
    }

    private func listServices(_ request: APIRequest) async throws -> APIResponse {
        let filters = try request.filters()
        try filters.check(known: Self.knownServiceFilters)
        let state = try await access().state()
        let services = state.services.values.filter { service in
            filters.matches("id") { service.id.hasPrefix($0) }
                && filters.matches("name") { service.spec.name.hasPrefix($0) }
                && filters.matches(labels: service.spec.labels)
                && filters.matches("mode") { Self.mode(service.spec) == $0 }
                && filters.matches("runtime") { $0 == "container" }
        }
        return .json(
            .array(
                try services.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }.map { service in
                    try ClusterShapes.service(
                        service, status: request.flag("status") ? ClusterShapes.serviceStatus(service, state) : nil)
                }))
    }

    private static func mode(_ spec: ServiceSpec) -> String {
        if spec.mode?.replicatedJob != nil { return "replicated-job" }
        if spec.mode?.globalJob != nil { return "global-job" }
        return spec.isGlobal ? "global" : "replicated"
    }

    private func listTasks(_ request: APIRequest) async throws -> APIResponse {
        let filters = try request.filters()
        try filters.check(known: Self.knownTaskFilters)
        let cluster = try access()
        let state = try await cluster.state()
        for wanted in filters.values["desired-state"] ?? [] where !["running", "shutdown", "accepted"].contains(wanted)
        {
            throw EngineError(.invalidParameter, "invalid filter 'desired-state=\(wanted)'")
        }
        let services = try filters.values["service"].map { references in
            Set(try references.map { try ClusterLookup.service($0, state).id })
        }
        let nodes = try filters.values["node"].map { references in
            Set(try references.map { try ClusterLookup.node($0, state, selfID: cluster.membership.nodeID).id })
        }
        let tasks = state.tasks.values.filter { task in
            if let services, !services.contains(task.serviceID) { return false }
            if let nodes, !nodes.contains(task.nodeID) { return false }
            return filters.matches("id") { task.id.hasPrefix($0) }
                && filters.matches("desired-state") { task.desiredState.dockerState.rawValue == $0 }
                && filters.matches("name") { wanted in
                    (state.services[task.serviceID]?.spec.name).map {
                        task.containerName(service: $0).hasPrefix(wanted)
                    } ?? false
                }
                && filters.matches(labels: task.spec.containerSpec?.labels ?? [:])
                && filters.matches("runtime") { $0 == "container" }
                && filters.matches("_up-to-date") { wanted in
                    let isCurrent = state.services[task.serviceID]?.specVersion == task.specVersion
                    return isCurrent == ["1", "true"].contains(wanted)
                }
        }
        return .json(
            .array(
                try tasks.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }.map {
                    try ClusterShapes.task($0, state)
                }))
    }

    private func logs(
        _ request: APIRequest, of subject: LogSubject, hasTerminal: Bool
    ) async throws -> APIResponse {
        let wanted = try ContainerStreamRoutes.logOptions(request)
        var options = TaskLogOptions()
        options.follow = wanted.follow
        options.since = wanted.since
        options.tail = wanted.tail
        options.includesOutput = wanted.stdout
        options.includesErrors = wanted.stderr
        let lines = try await access().logs(of: subject, options: options)
        let hasTimes = request.flag("timestamps")
        let hasDetails = request.flag("details")
        let contentType = AttachedStream(hasTerminal: hasTerminal).contentType(version: request.version)
        return .stream(contentType: contentType) { writer in
            for try await line in lines {
                var text = hasTimes ? line.time.preciseDescription + " " : ""
                if hasDetails {
                    text +=
                        "com.docker.swarm.node.id=\(line.nodeID),com.docker.swarm.service.id="
                        + "\(line.serviceID),com.docker.swarm.task.id=\(line.taskID) "
                }
                let bytes = Array((text + line.text).utf8)
                try await writer.write(hasTerminal ? bytes : AttachedStream.frame(line.isError ? 2 : 1, bytes))
            }
        }
    }
}
