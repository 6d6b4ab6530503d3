import ClusterManager
import ClusterModel
import EngineModel
import JSON
import Values

/// The cluster's objects as the Engine API shows them.
enum ClusterShapes {
    /// What every object begins with.
    private static func base(
        _ id: String, _ version: ObjectVersion, _ created: Timestamp, _ updated: Timestamp
    ) -> JSONValue {
        [
            "ID": .string(id), "Version": ["Index": .integer(Int64(clamping: version.index))],
            "CreatedAt": .string(created.description), "UpdatedAt": .string(updated.description),
        ]
    }

    /// Engine API: ClusterInfo.
    static func cluster(_ object: ClusterObject) -> JSONValue {
        base(object.id, object.version, object.createdAt, object.updatedAt).overlaid(with: [
            "Spec": object.spec, "TLSInfo": ["TrustRoot": .string(object.rootCertificate)],
            "RootRotationInProgress": false, "DataPathPort": .integer(Int64(object.dataPathPort)),
            "DefaultAddrPool": .strings(object.addressPools.map(\.description)),
            "SubnetSize": .integer(Int64(object.subnetSize)),
        ])
    }

    /// Engine API: Swarm, with the join tokens.
    static func swarm(_ object: ClusterObject, _ tokens: JoinTokens) -> JSONValue {
        cluster(object).overlaid(with: [
            "JoinTokens": ["Worker": .string(tokens.worker), "Manager": .string(tokens.manager)]
        ])
    }

    /// Engine API: Node.
    static func node(
        _ node: NodeObject, manager: ManagerReachability?, rootCertificate: String
    ) throws -> JSONValue {
        var value = base(node.id, node.version, node.createdAt, node.updatedAt)
        value["Spec"] = try JSONCoding.docker.value(of: node.spec)
        if let description = node.description {
            value["Description"] = try JSONCoding.docker.value(of: description)
                .overlaid(with: ["TLSInfo": ["TrustRoot": .string(rootCertificate)]])
        }
        value["Status"] = try JSONCoding.docker.value(of: node.status)
        if let manager {
            var status: JSONValue = [
                "Reachability": manager.isReachable ? "reachable" : "unreachable", "Addr": .string(manager.address),
            ]
            if manager.isLeader { status["Leader"] = true }
            // Docker's clients leave out what they do not know.
            if manager.isSpare { status["Spare"] = true }
            value["ManagerStatus"] = status
        }
        return value
    }

    /// Engine API: Config.
    static func config(_ config: ConfigObject) -> JSONValue {
        var value = payload(config, config.spec)
        value["Spec"]?["Data"] = .string(config.data)
        return value
    }

    /// Engine API: Secret; without its data.
    static func secret(_ secret: SecretObject) -> JSONValue {
        payload(secret, secret.spec)
    }

    private static func payload(_ object: some NamedObject, _ spec: PayloadSpec) -> JSONValue {
        var value = base(object.id, object.version, object.createdAt, object.updatedAt)
        var shown: JSONValue = ["Name": .string(spec.name), "Labels": .texts(spec.labels)]
        if let templating = spec.templating { shown["Templating"] = templating }
        value["Spec"] = shown
        return value
    }

    /// Engine API: Service.
    static func service(_ service: ServiceObject, status: JSONValue? = nil) throws -> JSONValue {
        var value = base(service.id, service.version, service.createdAt, service.updatedAt)
        value["Spec"] = service.document
        if let previous = service.previousDocument { value["PreviousSpec"] = previous }
        var endpoint: JSONValue = ["Spec": try JSONCoding.docker.value(of: service.endpoint.spec)]
        if !service.endpoint.ports.isEmpty {
            endpoint["Ports"] = try JSONCoding.docker.value(of: service.endpoint.ports)
        }
        if !service.endpoint.virtualIPs.isEmpty {
            endpoint["VirtualIPs"] = try JSONCoding.docker.value(of: service.endpoint.virtualIPs)
        }
        value["Endpoint"] = endpoint
        if let update = service.updateStatus { value["UpdateStatus"] = try JSONCoding.docker.value(of: update) }
        if let status { value["ServiceStatus"] = status }
        return value
    }

    /// Engine API: ServiceStatus. A global service has one task on each node that may take it.
    static func serviceStatus(_ service: ServiceObject, _ state: ClusterState) -> JSONValue {
        let tasks = state.tasks(ofService: service.id)
        let running = tasks.count { task in
            task.status.state == .running && task.desiredState == .running
                && state.nodes[task.nodeID]?.status.state != .down
        }
        let desired =
            service.spec.isGlobal
            ? Int64(Set(tasks.filter { $0.desiredState <= .running }.map(\.nodeID)).count)
            : Int64(clamping: service.spec.replicas)
        return [
            "RunningTasks": .integer(Int64(running)), "DesiredTasks": .integer(desired),
            "CompletedTasks": .integer(Int64(tasks.count { $0.status.state == .complete })),
        ]
    }

    /// Engine API: Task.
    static func task(_ task: TaskObject, _ state: ClusterState) throws -> JSONValue {
        var value = base(task.id, task.version, task.createdAt, task.updatedAt)
        value["Labels"] = [:]
        value["Spec"] = try JSONCoding.docker.value(of: task.spec)
        value["ServiceID"] = .string(task.serviceID)
        if task.slot > 0 { value["Slot"] = .integer(Int64(clamping: task.slot)) }
        if !task.nodeID.isEmpty { value["NodeID"] = .string(task.nodeID) }
        value["DesiredState"] = .string(task.desiredState.dockerState.rawValue)
        var status: JSONValue = [
            "Timestamp": .string(task.status.timestamp.description), "State": .string(task.status.state.rawValue),
            "Message": .string(task.status.message), "PortStatus": [:],
        ]
        if let error = task.status.err, !error.isEmpty { status["Err"] = .string(error) }
        if let container = task.status.containerStatus {
            status["ContainerStatus"] = try JSONCoding.docker.value(of: container)
        }
        if let ports = task.status.portStatus, !ports.isEmpty {
            status["PortStatus"] = ["Ports": try JSONCoding.docker.value(of: ports)]
        }
        value["Status"] = status
        value["NetworksAttachments"] = .array(
            task.attachments.compactMap { attachment in
                guard let network = state.networks[attachment.networkID] else { return nil }
                return [
                    "Network": self.network(network), "Addresses": [.string(attachment.address.description)],
                ]
            })
        return value
    }

    /// A network as tasks name it (Engine API: NetworkAttachment, Network).
    private static func network(_ network: NetworkObject) -> JSONValue {
        let pools: JSONValue = [
            ["Subnet": .string(network.subnet.description), "Gateway": .string(network.gateway.description)]
        ]
        return base(network.id, network.version, network.createdAt, network.updatedAt).overlaid(with: [
            "Spec": [
                "Name": .string(network.spec.name), "Labels": .texts(network.spec.labels),
                "DriverConfiguration": ["Name": .string(network.spec.driver)],
                "Internal": .bool(network.spec.isInternal), "Attachable": .bool(network.spec.isAttachable),
                "Ingress": .bool(network.spec.isIngress),
                "IPAMOptions": ["Driver": ["Name": "default"], "Configs": pools], "Scope": "swarm",
            ],
            "DriverState": ["Name": .string(network.spec.driver), "Options": .texts(network.spec.options)],
            "IPAMOptions": ["Driver": ["Name": "default"], "Configs": pools],
        ])
    }
}
