import ClusterModel
import EngineModel
import JSON
import Scheduling
import Values

/// Checks a service's specification and fills in what the cluster knows better, in Docker's words.
struct ServiceValidation {
    let state: ClusterState

    /// The specification of a document; network names become identifiers in both.
    func specification(from document: JSONValue) throws(EngineError) -> (spec: ServiceSpec, document: JSONValue) {
        var document = document
        var spec: ServiceSpec
        do {
            spec = try JSONCoding.docker.decode(ServiceSpec.self, from: document)
        } catch {
            throw EngineError(.invalidParameter, "invalid service specification: \(error)")
        }
        guard Self.isValidName(spec.name) else {
            throw invalid(
                "name must be 64 characters or fewer and contain only alphanumerics, '-', '_' or '.', beginning and "
                    + "ending with an alphanumeric")
        }
        guard let container = spec.taskTemplate.containerSpec else {
            throw invalid("ContainerSpec: missing in service spec")
        }
        guard ["", "container", nil].contains(spec.taskTemplate.runtime) else {
            let runtime = spec.taskTemplate.runtime ?? ""
            throw EngineError(.notImplemented, "runtime \(runtime) is not supported by this version")
        }
        guard !container.image.isEmpty else { throw invalid("ContainerSpec: image reference must be provided") }
        try check(container)
        try checkMode(spec)
        try checkResources(spec.taskTemplate.resources)
        let reservations = document["TaskTemplate"]?["Resources"]?["Reservations"]
        if reservations?["GenericResources"]?.asksForSomething == true {
            throw EngineError(.notImplemented, "generic resources are not supported by this version")
        }
        try checkRestart(spec.taskTemplate.restartPolicy)
        for text in spec.taskTemplate.placement?.constraints ?? [] {
            do { _ = try Constraint(text) } catch { throw invalid(error.description) }
        }
        try check(spec.updateConfig, "UpdateConfig")
        try check(spec.rollbackConfig, "RollbackConfig")
        try checkPorts(spec)
        fillIn(&spec, &document)
        let networks = try resolve(spec.allNetworks)
        if !networks.isEmpty {
            spec.taskTemplate.networks = networks
            spec.networks = nil
            let resolved = try? JSONCoding.docker.value(of: networks)
            document["TaskTemplate"]?["Networks"] = resolved
            document["Networks"] = nil
        }
        return (spec, document)
    }

    /// Docker's defaults for what a client leaves open about ports.
    private func fillIn(_ spec: inout ServiceSpec, _ document: inout JSONValue) {
        guard var endpoint = spec.endpointSpec else { return }
        if endpoint.mode.isEmpty { endpoint.mode = "vip" }
        endpoint.ports = endpoint.ports?.map { port in
            var port = port
            if port.protocol.isEmpty { port.protocol = "tcp" }
            if port.publishMode.isEmpty { port.publishMode = "ingress" }
            return port
        }
        guard endpoint != spec.endpointSpec else { return }
        spec.endpointSpec = endpoint
        document["EndpointSpec"] = try? JSONCoding.docker.value(of: endpoint)
    }

    private func invalid(_ reason: String) -> EngineError {
        EngineError(.invalidParameter, "rpc error: code = InvalidArgument desc = \(reason)")
    }

    static func isValidName(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
        }
        guard (1...63).contains(bytes.count), isAlphanumeric(bytes[0]), isAlphanumeric(bytes[bytes.count - 1]) else {
            return false
        }
        return bytes.allSatisfy { isAlphanumeric($0) || $0 == 0x2d || $0 == 0x5f || $0 == 0x2e }
    }

    private func check(_ container: ContainerSpec) throws(EngineError) {
        var targets: Set<String> = []
        for mount in container.mounts ?? [] {
            guard !mount.target.isEmpty else { throw invalid("ContainerSpec: mount target is empty") }
            guard mount.target.hasPrefix("/") else {
                throw invalid("invalid mount target, must be an absolute path: \(mount.target)")
            }
            guard targets.insert(mount.target).inserted else {
                throw invalid("ContainerSpec: duplicate mount point: \(mount.target)")
            }
            switch mount.type {
            case .bind:
                guard mount.source.hasPrefix("/") else {
                    throw invalid("invalid bind mount source, must be an absolute path: \(mount.source)")
                }
            case .tmpfs:
                guard mount.source.isEmpty else { throw invalid("invalid tmpfs source, source must be empty") }
            case .volume:
                guard !mount.source.hasPrefix("/") else {
                    throw invalid("invalid volume mount source, must not be an absolute path: \(mount.source)")
                }
            }
        }
        if let isolation = container.isolation, !["", "default"].contains(isolation) {
            throw invalid("isolation \(isolation) is Windows's")
        }
        for (value, what) in [
            (container.secrets, "secrets are"), (container.configs, "configs are"),
            (container.privileges, "privileges of services (credential specs, SELinux, seccomp and AppArmor) are"),
        ] where value?.asksForSomething == true {
            throw EngineError(.notImplemented, "\(what) not supported by this version")
        }
        if let healthcheck = container.healthcheck {
            for (name, value) in [
                ("interval", healthcheck.interval), ("timeout", healthcheck.timeout),
                ("start period", healthcheck.startPeriod), ("start interval", healthcheck.startInterval),
            ] where value != 0 && value < 1_000_000 {
                throw invalid("ContainerSpec: \(name) in Healthcheck cannot be less than 1ms")
            }
            guard healthcheck.retries >= 0 else {
                throw invalid("ContainerSpec: Retries in Healthcheck cannot be negative")
            }
        }
        if let grace = container.stopGracePeriod, grace < 0 {
            throw invalid("stop grace period cannot be negative")
        }
    }

    private func checkMode(_ spec: ServiceSpec) throws(EngineError) {
        if spec.mode?.replicatedJob != nil || spec.mode?.globalJob != nil {
            throw EngineError(.notImplemented, "jobs are not supported by this version")
        }
        if spec.mode?.replicated != nil, spec.mode?.global != nil {
            throw invalid("must specify only one service mode")
        }
        if spec.isGlobal, (spec.taskTemplate.placement?.maxReplicas ?? 0) > 0 {
            throw invalid("max replicas per node is only allowed for replicated services")
        }
        guard spec.replicas <= 100_000 else { throw invalid("at most 100000 replicas of a service") }
    }

    private func checkResources(_ resources: TaskTemplate.Resources?) throws(EngineError) {
        for limits in [resources?.limits, resources?.reservations].compactMap({ $0 }) {
            guard limits.memoryBytes == 0 || limits.memoryBytes >= 4 << 20 else {
                throw invalid("invalid memory value \(limits.memoryBytes): Must be at least 4MiB")
            }
            guard limits.nanoCPUs == 0 || limits.nanoCPUs >= 1_000_000 else {
                throw invalid("invalid cpu value \(Double(limits.nanoCPUs) / 1e9): Must be at least 0.001")
            }
        }
    }

    private func checkRestart(_ policy: TaskTemplate.RestartPolicy?) throws(EngineError) {
        guard let policy else { return }
        guard ["", "none", "on-failure", "any", nil].contains(policy.condition) else {
            throw invalid("invalid RestartCondition: \"\(policy.condition ?? "")\"")
        }
        if let delay = policy.delay, delay < 0 { throw invalid("TaskSpec: restart-delay cannot be negative") }
        guard policy.maxAttempts ?? 0 <= 100 else { throw invalid("at most 100 restart attempts can be counted") }
        if let window = policy.window, window < 0 { throw invalid("TaskSpec: restart-window cannot be negative") }
    }

    private func check(_ update: UpdateConfiguration?, _ name: String) throws(EngineError) {
        guard let update else { return }
        guard ["", "pause", "continue", "rollback"].contains(update.failureAction) else {
            throw EngineError(.invalidParameter, "unrecognized update failure action \(update.failureAction)")
        }
        if name == "RollbackConfig", update.failureAction == "rollback" {
            throw invalid("\(name): failure action cannot be rollback")
        }
        guard ["", "stop-first", "start-first"].contains(update.order) else {
            throw EngineError(.invalidParameter, "unrecognized update order \(update.order)")
        }
        guard update.delay >= 0 else { throw invalid("TaskSpec: update-delay cannot be negative") }
        guard update.monitor >= 0 else { throw invalid("TaskSpec: update-monitor cannot be negative") }
        guard (0...1).contains(update.maxFailureRatio) else {
            throw invalid("TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1")
        }
    }

    private func checkPorts(_ spec: ServiceSpec) throws(EngineError) {
        guard let endpoint = spec.endpointSpec else { return }
        guard ["", "vip", "dnsrr"].contains(endpoint.mode) else {
            throw invalid("invalid endpoint mode \(endpoint.mode)")
        }
        var published: Set<String> = []
        for port in endpoint.ports ?? [] {
            guard ["", "tcp", "udp", "sctp"].contains(port.protocol) else {
                throw EngineError(.invalidParameter, "invalid protocol \"\(port.protocol)\" of a published port")
            }
            guard ["", "ingress", "host"].contains(port.publishMode) else {
                throw EngineError(.invalidParameter, "invalid publish mode \"\(port.publishMode)\"")
            }
            guard port.targetPort > 0 else {
                throw invalid("EndpointSpec: the target port of a published port is missing")
            }
            if port.isIngress, endpoint.mode == "dnsrr" {
                throw invalid("EndpointSpec: port published with ingress mode can't be used with dnsrr mode")
            }
            guard port.publishedPort > 0 else { continue }
            let transport = port.protocol.isEmpty ? "tcp" : port.protocol
            guard published.insert("\(port.publishedPort)/\(transport)/\(port.isIngress)").inserted else {
                throw invalid("EndpointSpec: duplicate published ports provided")
            }
        }
    }

    private func resolve(_ networks: [NetworkAttachmentConfiguration]) throws(EngineError)
        -> [NetworkAttachmentConfiguration]
    {
        var resolved: [NetworkAttachmentConfiguration] = []
        for wanted in networks {
            guard let network = Self.network(wanted.target, in: state) else {
                if ["bridge", "host", "none"].contains(wanted.target) {
                    throw EngineError(
                        .forbidden,
                        "The network \(wanted.target) cannot be used with services. Only networks scoped to the "
                            + "swarm can "
                            + "be used, such as those created with the overlay driver.")
                }
                throw EngineError.notFound(network: wanted.target)
            }
            guard !network.spec.isIngress else {
                throw invalid("Service cannot be explicitly attached to the ingress network \"\(network.spec.name)\"")
            }
            guard !resolved.contains(where: { $0.target == network.id }) else { continue }
            var attachment = wanted
            attachment.target = network.id
            resolved.append(attachment)
        }
        return resolved
    }

    /// A network by identifier, name or unique prefix of an identifier.
    static func network(_ reference: String, in state: ClusterState) -> NetworkObject? {
        if let network = state.networks[reference] ?? state.network(named: reference) { return network }
        let matches = reference.isEmpty ? [] : state.networks.values.filter { $0.id.hasPrefix(reference) }
        return matches.count == 1 ? matches[0] : nil
    }
}
