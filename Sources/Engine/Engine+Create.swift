import EngineModel
import Glibc
import ImageStore
import LinuxSystem
import OCI
import RuntimeProtocol
import Values

extension Engine {
    /// The least memory that a container may be limited to, in bytes (Docker).
    static let minimumMemory: Int64 = 6 << 20

    /// Makes a container and starts nothing.
    ///
    /// - Parameters:
    ///   - name: without slash; nil for one of the engine's choice.
    ///   - taskID: the cluster's task that it carries out.
    ///   - attachments: places in overlay networks that a manager already gave.
    public func createContainer(
        name: String?, _ creation: ContainerCreation, taskID: String? = nil, attachments: [ClusterAttachment] = []
    ) async throws -> (id: String, warnings: [String]) {
        var generator = SystemRandomNumberGenerator()
        let id = Identifiers.hex64(using: &generator)
        let name = try reserveName(name, for: id)
        do {
            return try await create(id, name: name, creation, taskID: taskID, attachments: attachments)
        } catch {
            if identifiers[name] == id { identifiers[name] = nil }
            records[id] = nil
            live[id] = nil
            await images.release(container: id)
            let directory = paths(of: id).directory
            try? await files.run { try Files.removeTree(directory) }
            throw error
        }
    }

    private func reserveName(_ wanted: String?, for id: String) throws(EngineError) -> String {
        var generator = SystemRandomNumberGenerator()
        let name: String
        if let wanted, !wanted.isEmpty {
            name = wanted.hasPrefix("/") ? String(wanted.dropFirst()) : wanted
            guard ContainerNames.isValid(name) else {
                throw EngineError(
                    .invalidParameter,
                    "Invalid container name (\(name)), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
            }
        } else {
            name = ContainerNames.generate(using: &generator) { identifiers[$0] != nil }
        }
        if let owner = identifiers[name] { throw Self.nameConflict(name, owner) }
        identifiers[name] = id
        return name
    }

    static func nameConflict(_ name: String, _ owner: String) -> EngineError {
        EngineError(
            .conflict,
            "Conflict. The container name \"/\(name)\" is already in use by container \"\(owner)\". You have to remove "
                + "(or rename) that container to be able to reuse that name.")
    }

    private func create(
        _ id: String, name: String, _ creation: ContainerCreation, taskID: String?, attachments: [ClusterAttachment]
    ) async throws -> (id: String, warnings: [String]) {
        var configuration = creation.configuration
        var host = creation.host
        guard !configuration.image.isEmpty else {
            throw EngineError(.invalidParameter, "no image specified: give Image a name or an identifier")
        }
        let image = try findImage(configuration.image)
        configuration.inherit(ImageDefaults(image.configuration.parameters))
        try Self.check(configuration, host)
        let warnings = Self.normalize(&configuration, &host, id: id)
        let endpoints = try await endpoints(host, creation.networking, configuration, attachments)
        let layers = try await images.lowerDirectories(of: image.id, heldBy: id)
        var record = ContainerRecord(
            id: id, name: name, createdAt: Clock.now(), configuration: configuration, host: host,
            imageID: image.id.description, layers: layers, endpoints: endpoints, taskID: taskID)
        record.clusterAttachments = attachments
        let created = try await mounts(of: record)
        record.mounts = created.mounts
        do {
            // What the runtime would refuse is refused now.
            let paths = paths(of: id)
            _ = try SpecificationBuilder(
                record: record,
                host: .init(paths: paths, network: .new, hostname: "", identityFiles: [], volumePath: { $0 })
            ).specification()
            try await files.run {
                try Files.makeDirectories(paths.directory, mode: 0o710)
                try Files.makeDirectories(paths.upper, mode: 0o755)
                try Files.makeDirectories(paths.work, mode: 0o700)
                try copyOwner(from: layers.first, to: paths.upper)
            }
            records[id] = record
            live[id] = LiveContainer()
            try await save(id, isDurable: !host.autoRemove)
        } catch {
            for volume in created.newVolumes { try? await removeVolume(volume, force: true) }
            throw error
        }
        publish(record, "create")
        return (id, warnings)
    }

    func findImage(_ reference: String) throws -> ImageRecord {
        do { return try images.image(reference) } catch { throw EngineError(error) }
    }

    /// Refuses what Docker refuses before a container is made.
    private static func check(_ configuration: ContainerConfiguration, _ host: HostConfiguration) throws(EngineError) {
        func invalid(_ text: String) -> EngineError { EngineError(.invalidParameter, text) }
        let command = (configuration.entrypoint?.words ?? []) + (configuration.cmd?.words ?? [])
        guard !command.isEmpty else { throw invalid("no command specified") }
        if !configuration.workingDir.isEmpty, !configuration.workingDir.hasPrefix("/") {
            throw invalid(
                "the working directory '\(configuration.workingDir)' is invalid, it needs to be an absolute path")
        }
        for assignment in configuration.env where assignment.isEmpty || assignment.hasPrefix("=") {
            throw invalid("invalid environment variable: \(assignment)")
        }
        if let signal = configuration.stopSignal, !signal.isEmpty { _ = try Signals.parse(signal) }
        if let probe = configuration.healthcheck {
            for (name, value) in [
                ("Interval", probe.interval), ("Timeout", probe.timeout), ("StartPeriod", probe.startPeriod),
                ("StartInterval", probe.startInterval),
            ] where value != 0 && value < 1_000_000 {
                throw invalid("\(name) in Healthcheck cannot be less than 1ms")
            }
            if probe.retries < 0 { throw invalid("Retries in Healthcheck cannot be negative") }
        }
        if configuration.hostname.utf8.count > 64 { throw invalid("invalid hostname: longer than 64 bytes") }
        if host.memory > 0, host.memory < minimumMemory {
            throw invalid("Minimum memory limit allowed is 6MB")
        }
        if host.memory > 0, host.memorySwap > 0, host.memorySwap < host.memory {
            throw invalid("Minimum memoryswap limit should be larger than memory limit, see usage")
        }
        if host.memory == 0, host.memorySwap > 0 {
            throw invalid("You should always set the Memory limit when using Memoryswap limit, see usage")
        }
        if host.nanoCpus > 0, host.cpuPeriod > 0 {
            throw invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set.")
        }
        if host.nanoCpus > 0, host.cpuQuota > 0 {
            throw invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set.")
        }
        let cpus = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        if host.nanoCpus < 0 || host.nanoCpus > Int64(cpus) * 1_000_000_000 {
            throw invalid("Range of CPUs is from 0.01 to \(cpus).00, as there are only \(cpus) CPUs available")
        }
        if let policy = host.restartPolicy {
            if policy.maximumRetryCount != 0, policy.name != .onFailure {
                throw invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'")
            }
            if policy.maximumRetryCount < 0 {
                throw invalid("invalid restart policy: maximum retry count cannot be negative")
            }
            if host.autoRemove, policy.name != .no, policy.name != .unset {
                throw invalid("can't create 'AutoRemove' container with restart policy")
            }
        }
        if let log = host.logConfig, !["", "json-file", "local", "none"].contains(log.type) {
            throw invalid("logger: no log driver named '\(log.type)' is registered")
        }
        for port in (configuration.exposedPorts ?? [:]).keys where PortKey(port) == nil {
            throw invalid("invalid port specification: \"\(port)\"")
        }
        _ = try PortWish.wishes(host.portBindings ?? [:])
        try IdentityFiles.check(extraHosts: host.extraHosts ?? [])
        for mode in [host.pidMode, host.ipcMode, host.utsMode] where !isKnown(mode) {
            throw invalid("invalid namespace mode: \(mode)")
        }
    }

    private static func isKnown(_ mode: String) -> Bool {
        ["", "host", "private", "shareable", "none"].contains(mode) || mode.hasPrefix("container:")
    }

    /// Fills in what Docker fills in; returns warnings.
    private static func normalize(
        _ configuration: inout ContainerConfiguration, _ host: inout HostConfiguration, id: String
    ) -> [String] {
        if host.networkMode.isEmpty || host.networkMode == "default" { host.networkMode = "bridge" }
        if host.shmSize == 0 { host.shmSize = 64 << 20 }
        // The CLI sends options without a type: the type is the host's choice.
        var log = host.logConfig ?? LogConfiguration()
        if log.type.isEmpty { log.type = LogConfiguration().type }
        host.logConfig = log
        if host.restartPolicy == nil || host.restartPolicy?.name == .unset { host.restartPolicy = RestartPolicy() }
        if host.ipcMode.isEmpty { host.ipcMode = "private" }
        if host.privileged == false {
            host.maskedPaths = host.maskedPaths ?? SpecificationBuilder.maskedPaths
            host.readonlyPaths = host.readonlyPaths ?? SpecificationBuilder.readonlyPaths
        }
        let mode = host.networkMode
        if configuration.hostname.isEmpty, mode != "host", !mode.hasPrefix("container:") {
            configuration.hostname = String(id.prefix(12))
        }
        var warnings: [String] = []
        if mode == "host" || mode == "none" || mode.hasPrefix("container:") {
            if !(host.portBindings ?? [:]).isEmpty {
                warnings.append("Published ports are discarded when using \(mode.prefix { $0 != ":" }) network mode")
            }
        }
        return warnings
    }
}

/// Gives a new writable layer the mode and owner of the image's root.
private func copyOwner(from source: String?, to target: String) throws {
    guard let source else { return }
    var information = stat()
    guard lstat(source, &information) == 0 else { return }
    try syscall("chown", on: target) { chown(target, information.st_uid, information.st_gid) }
    try syscall("chmod", on: target) { chmod(target, information.st_mode & 0o7777) }
}

extension ImageDefaults {
    init(_ parameters: ExecutionParameters) {
        self.init()
        user = parameters.user
        env = parameters.env
        entrypoint = parameters.entrypoint?.words
        cmd = parameters.cmd?.words
        workingDir = parameters.workingDir
        exposedPorts = (parameters.exposedPorts ?? [:]).keys.sorted()
        volumes = (parameters.volumes ?? [:]).keys.sorted()
        labels = parameters.labels
        stopSignal = parameters.stopSignal
        healthcheck = parameters.healthcheck
    }
}

extension EngineError {
    /// What the image store refused, in the engine's classes.
    init(_ error: ImageStoreError) {
        let kind: Kind =
            switch error.kind {
            case .notFound: .notFound
            case .conflict: .conflict
            case .invalidParameter, .corrupted: .invalidParameter
            case .io: .internalError
            }
        self.init(kind, error.message)
    }
}
