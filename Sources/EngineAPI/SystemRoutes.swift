import ClusterManager
import ClusterModel
import Engine
import EngineModel
import JSON
import LinuxSystem
import OCI

/// `/_ping`, `/version`, `/info`, `/system/df`, and what is answered with "not available".
struct SystemRoutes: Sendable {
    let engine: Engine
    let cluster: ControlPlane?

    func register(_ router: inout Router) {
        router.on("GET", "_ping") { _ in
            var response = APIResponse.text("OK")
            response.headers.add("Cache-Control", "no-cache, no-store, must-revalidate")
            response.headers.add("Pragma", "no-cache")
            response.headers.add("Swarm", swarmState)
            return response
        }
        router.on("GET", "version", version)
        router.on("GET", "info", information)
        router.on("GET", "system/df", diskUsage)
        router.on("GET", "plugins") { _ in .json([]) }
        // Nothing is built, so nothing of a build is kept: `docker system prune` asks too.
        router.on("POST", "build/prune") { _ in .json(["CachesDeleted": nil, "SpaceReclaimed": 0]) }
        for (method, pattern, what) in [
            ("POST", "auth", "logging in to registries"), ("POST", "build", "building images"),
            ("POST", "commit", "committing containers"), ("POST", "session", "building images"),
            ("GET", "containers/{id}/archive", "copying files"), ("PUT", "containers/{id}/archive", "copying files"),
            ("GET", "containers/{id}/export", "exporting"), ("GET", "containers/{id}/changes", "listing changes"),
        ] {
            router.on(method, pattern) { _ in throw EngineError(.notImplemented, "\(what) is not available yet") }
        }
    }

    /// The header by which clients tell whether swarm mode is on.
    private var swarmState: String {
        guard let membership = cluster?.membership else { return "inactive" }
        guard membership.state == .active else { return membership.state.rawValue }
        return membership.controlAvailable ? "active/manager" : "active/worker"
    }

    private func version(_ request: APIRequest) async throws -> APIResponse {
        let host = try await engine.information()
        let architecture = Platform(machine: host.architecture).architecture
        let details: JSONValue = [
            "ApiVersion": .string(APIVersion.text), "Arch": .string(architecture), "Experimental": "false",
            "KernelVersion": .string(host.kernelVersion), "MinAPIVersion": .string(APIVersion.oldestText),
            "Os": "linux",
        ]
        return .json([
            "Platform": ["Name": "Martlet"],
            "Components": [["Name": "Engine", "Version": .string(ServerVersion.text), "Details": details]],
            "Version": .string(ServerVersion.text), "ApiVersion": .string(APIVersion.text),
            "MinAPIVersion": .string(APIVersion.oldestText), "GitCommit": "", "GoVersion": "", "Os": "linux",
            "Arch": .string(architecture), "KernelVersion": .string(host.kernelVersion), "BuildTime": "",
        ])
    }

    private func information(_ request: APIRequest) async throws -> APIResponse {
        let host = try await engine.information()
        let membership = cluster?.membership ?? .inactive
        var state: ClusterState?
        if let cluster, membership.controlAvailable, membership.state == .active { state = try? await cluster.state() }
        return .json(
            InformationShape.value(
                host, configuration: engine.configuration, swarm: InformationShape.swarm(membership, state)))
    }

    private func diskUsage(_ request: APIRequest) async throws -> APIResponse {
        let usage = try await engine.diskUsage()
        let now = Clock.now()
        let types = request.target.all("type")
        func wants(_ type: String) -> Bool { types.isEmpty || types.contains(type) }
        let inUse = Dictionary(grouping: usage.containers, by: \.record.imageID).mapValues(\.count)
        return .json([
            "LayersSize": .integer(usage.layersBytes),
            "Images": wants("image")
                ? .array(
                    engine.images.images().map {
                        ImageShapes.summary(
                            $0, references: $0.references, containers: inUse[$0.id.description] ?? 0,
                            version: request.version)
                    }) : [],
            "Containers": wants("container")
                ? .array(
                    try usage.containers.map {
                        try ContainerShapes.summary(
                            $0.record, now: now, writableBytes: $0.size.writable, totalBytes: $0.size.total)
                    }) : [],
            "Volumes": wants("volume")
                ? .array(
                    usage.volumes.map {
                        VolumeShapes.volume(
                            $0.record, mountpoint: engine.mountpoint(of: $0.record.name), usage: $0.usage)
                    }) : [],
            "BuildCache": [], "BuilderSize": 0,
        ])
    }
}
