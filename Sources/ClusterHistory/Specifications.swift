import ClusterModel
import JSON
import Values

extension ClusterState {
    /// An object's name for people, its specification as JSON, its version, and when that was written.
    func specification(
        of object: ObjectReference
    ) -> (name: String, document: JSONValue, version: ObjectVersion, time: Timestamp)? {
        switch object.kind {
        case .cluster:
            guard let cluster, cluster.id == object.id else { return nil }
            return (cluster.spec["Name"]?.string ?? "default", cluster.spec, cluster.version, cluster.updatedAt)
        case .node:
            return nodes[object.id].map { ($0.hostname, Specifications.document(of: $0), $0.version, $0.updatedAt) }
        case .service:
            return services[object.id].map { ($0.spec.name, $0.document, $0.version, $0.updatedAt) }
        case .network:
            return networks[object.id].map {
                ($0.spec.name, Specifications.document(of: $0), $0.version, $0.updatedAt)
            }
        case .config:
            return configs[object.id].map {
                ($0.spec.name, Specifications.document(of: $0), $0.version, $0.updatedAt)
            }
        case .secret:
            return secrets[object.id].map {
                ($0.spec.name, Specifications.document(of: $0.spec), $0.version, $0.updatedAt)
            }
        case .task, .attachment: return nil
        }
    }

    /// Every object that has a specification, in no particular order.
    var objectsWithSpecification: [ObjectReference] {
        var objects = cluster.map { [ObjectReference(kind: .cluster, id: $0.id)] } ?? []
        objects += nodes.keys.map { ObjectReference(kind: .node, id: $0) }
        objects += services.keys.map { ObjectReference(kind: .service, id: $0) }
        objects += networks.keys.map { ObjectReference(kind: .network, id: $0) }
        objects += configs.values.map { ObjectReference(kind: .config, id: $0.id) }
        objects += secrets.values.map { ObjectReference(kind: .secret, id: $0.id) }
        return objects
    }
}

/// The specifications of objects that clients do not write as JSON, as JSON and back.
enum Specifications {
    /// Engine API: NodeSpec.
    static func document(of node: NodeObject) -> JSONValue {
        var document: JSONValue = [
            "Labels": texts(node.spec.labels), "Role": .string(node.spec.role.rawValue),
            "Availability": .string(node.spec.availability.rawValue),
        ]
        if let name = node.spec.name { document["Name"] = .string(name) }
        return document
    }

    static func nodeSpec(_ document: JSONValue) -> NodeSpec? {
        guard let role = NodeSpec.Role(rawValue: document["Role"]?.string ?? ""),
            let availability = NodeSpec.Availability(rawValue: document["Availability"]?.string ?? "")
        else { return nil }
        return NodeSpec(
            name: document["Name"]?.string, labels: texts(document["Labels"]), role: role, availability: availability)
    }

    /// Engine API: NetworkCreateRequest, with the subnet and the gateway that it got.
    static func document(of network: NetworkObject) -> JSONValue {
        [
            "Name": .string(network.spec.name), "Labels": texts(network.spec.labels),
            "Driver": .string(network.spec.driver), "Internal": .bool(network.spec.isInternal),
            "Attachable": .bool(network.spec.isAttachable), "Ingress": .bool(network.spec.isIngress),
            "Options": texts(network.spec.options), "Subnet": .string(network.subnet.description),
            "Gateway": .string(network.gateway.description),
        ]
    }

    static func network(_ document: JSONValue) -> (spec: NetworkObject.Spec, subnet: CIDR, gateway: IPAddress)? {
        guard let name = document["Name"]?.string, let driver = document["Driver"]?.string,
            let subnet = CIDR(document["Subnet"]?.string ?? ""),
            let gateway = IPAddress(document["Gateway"]?.string ?? "")
        else { return nil }
        let spec = NetworkObject.Spec(
            name: name, labels: texts(document["Labels"]), driver: driver,
            isInternal: document["Internal"]?.bool ?? false, isAttachable: document["Attachable"]?.bool ?? false,
            isIngress: document["Ingress"]?.bool ?? false, options: texts(document["Options"]))
        return (spec, subnet, gateway)
    }

    /// Engine API: SecretSpec, without the data, which is nobody's to read.
    static func document(of spec: PayloadSpec) -> JSONValue {
        var document: JSONValue = ["Name": .string(spec.name), "Labels": texts(spec.labels)]
        if let templating = spec.templating { document["Templating"] = templating }
        return document
    }

    /// Engine API: ConfigSpec.
    static func document(of config: ConfigObject) -> JSONValue {
        var document = document(of: config.spec)
        document["Data"] = .string(config.data)
        return document
    }

    static func payloadSpec(_ document: JSONValue) -> PayloadSpec? {
        guard let name = document["Name"]?.string else { return nil }
        return PayloadSpec(name: name, labels: texts(document["Labels"]), templating: document["Templating"])
    }

    private static func texts(_ texts: [String: String]) -> JSONValue { .object(texts.mapValues { .string($0) }) }

    private static func texts(_ value: JSONValue?) -> [String: String] {
        (value?.object ?? [:]).compactMapValues(\.string)
    }
}
