import ClusterModel
import EngineModel
import JSON
import SessionModel
import Values

/// The container that carries out a task: what the engine is asked for, from what the managers assigned.
public struct TaskContainer: Sendable {
    public let name: String
    public let creation: ContainerCreation
    public let attachments: [ClusterAttachment]
    public let image: String

    /// - Parameters:
    ///   - nodeHostname: for templates (Docker: `{{.Node.Hostname}}`).
    ///   - networks: the cluster's networks.
    public init(_ assigned: AssignedTask, nodeHostname: String, networks: [NetworkObject]) throws(EngineError) {
        let task = assigned.task
        guard let spec = task.spec.containerSpec else {
            throw EngineError(.invalidParameter, "the task has no container specification")
        }
        let name = task.containerName(service: assigned.serviceName)
        let texts = TemplateTexts(assigned, name: name, nodeHostname: nodeHostname)
        var configuration = ContainerConfiguration()
        configuration.image = spec.image
        configuration.cmd = spec.args.map { CommandLine($0) }
        configuration.entrypoint = spec.command.map { CommandLine($0) }
        configuration.env = try texts.expand(spec.env ?? [])
        configuration.hostname = try texts.expand(spec.hostname ?? "")
        configuration.workingDir = spec.dir ?? ""
        configuration.user = spec.user ?? ""
        configuration.tty = spec.tty ?? false
        configuration.openStdin = spec.openStdin ?? false
        configuration.healthcheck = spec.healthcheck
        configuration.stopSignal = spec.stopSignal
        configuration.labels = spec.labels ?? [:]
        for (key, value) in texts.labels { configuration.labels[key] = value }

        var host = HostConfiguration()
        host.readonlyRootfs = spec.readOnly ?? false
        host.mounts = try (spec.mounts ?? []).map { mount throws(EngineError) in
            var mount = mount
            mount.source = try texts.expand(mount.source)
            return mount
        }
        host.`init` = spec.`init`
        host.sysctls = spec.sysctls
        host.capAdd = spec.capabilityAdd
        host.capDrop = spec.capabilityDrop
        host.ulimits = spec.ulimits
        host.oomScoreAdj = spec.oomScoreAdj ?? 0
        host.groupAdd = spec.groups
        host.dns = spec.dnsConfig?.nameservers
        host.dnsSearch = spec.dnsConfig?.search
        host.dnsOptions = spec.dnsConfig?.options
        host.extraHosts = (spec.hosts ?? []).flatMap { line -> [String] in
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let address = words.first else { return [] }
            return words.dropFirst().map { "\($0):\(address)" }
        }
        if let limits = task.spec.resources?.limits {
            host.memory = limits.memoryBytes
            host.nanoCpus = limits.nanoCPUs
            if limits.pids > 0 { host.pidsLimit = limits.pids }
        }
        host.memoryReservation = task.spec.resources?.reservations?.memoryBytes ?? 0
        if let driver = task.spec.logDriver?["Name"]?.string {
            let options = task.spec.logDriver?["Options"]?.object?.compactMapValues(\.string) ?? [:]
            host.logConfig = LogConfiguration(type: driver, config: options)
        }
        var bindings: [String: [PortBinding]?] = [:]
        for port in task.endpoint?.spec.ports ?? [] where !port.isIngress {
            let key = "\(port.targetPort)/\(port.protocol.isEmpty ? "tcp" : port.protocol)"
            let binding = PortBinding(hostPort: port.publishedPort == 0 ? "" : String(port.publishedPort))
            bindings[key] = (bindings[key]?.flatMap { $0 } ?? []) + [binding]
        }
        if !bindings.isEmpty { host.portBindings = bindings }

        var places: [ClusterAttachment] = []
        for attachment in task.attachments {
            guard let network = networks.first(where: { $0.id == attachment.networkID }), !network.spec.isIngress,
                let mac = MACAddress(derivedFrom: attachment.address.address)
            else { continue }
            places.append(
                ClusterAttachment(
                    networkID: network.id, networkName: network.spec.name, address: attachment.address, mac: mac,
                    aliases: attachment.aliases))
        }
        // A task with a place in the cluster needs no bridge of its host; the gateway is its way out.
        if !task.attachments.isEmpty { host.networkMode = places.first?.networkName ?? "none" }

        self.name = name
        image = spec.image
        attachments = places
        creation = ContainerCreation(
            configuration: configuration, host: host, networking: NetworkingConfiguration())
    }
}

/// The texts that stand for a service, node and task in a specification (Docker: service create, templates).
struct TemplateTexts {
    private let values: [String: String]
    private let serviceLabels: [String: String]
    let labels: [String: String]

    init(_ assigned: AssignedTask, name: String, nodeHostname: String) {
        let task = assigned.task
        values = [
            "Service.ID": task.serviceID, "Service.Name": assigned.serviceName, "Node.ID": task.nodeID,
            "Node.Hostname": nodeHostname, "Task.ID": task.id, "Task.Name": name,
            "Task.Slot": task.slot == 0 ? task.nodeID : String(task.slot),
        ]
        serviceLabels = assigned.serviceLabels
        labels = [
            "com.docker.swarm.node.id": task.nodeID, "com.docker.swarm.service.id": task.serviceID,
            "com.docker.swarm.service.name": assigned.serviceName, "com.docker.swarm.task": "",
            "com.docker.swarm.task.id": task.id, "com.docker.swarm.task.name": name,
        ]
    }

    func expand(_ texts: [String]) throws(EngineError) -> [String] {
        var result: [String] = []
        for text in texts { result.append(try expand(text)) }
        return result
    }

    func expand(_ text: String) throws(EngineError) -> String {
        guard text.contains("{{") else { return text }
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "{{") {
            result += rest[..<start.lowerBound]
            guard let end = rest[start.upperBound...].firstRange(of: "}}") else {
                throw EngineError(.invalidParameter, "template parsing error: unclosed action in \"\(text)\"")
            }
            result += try value(
                of: String(rest[start.upperBound..<end.lowerBound]).filter { !$0.isWhitespace }, in: text)
            rest = rest[end.upperBound...]
        }
        return result + rest
    }

    private func value(of key: String, in text: String) throws(EngineError) -> String {
        if key.hasPrefix("."), let value = values[String(key.dropFirst())] { return value }
        if key.hasPrefix(".Service.Labels.") {
            return serviceLabels[String(key.dropFirst(".Service.Labels.".count))] ?? ""
        }
        throw EngineError(.invalidParameter, "template parsing error: \"\(key)\" in \"\(text)\" is not known")
    }
}
