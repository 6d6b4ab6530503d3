import ClusterModel
import Engine
import EngineModel
import JSON
import Values

/// Networks as the Engine API shows them.
enum NetworkShapes {
    /// Engine API: Network.
    static func network(_ record: NetworkRecord, members: [NetworkMember]) -> JSONValue {
        var configurations: [JSONValue] = []
        if let subnet = record.subnet {
            var configuration: JSONValue = ["Subnet": .string(subnet.description)]
            if let range = record.ipRange { configuration["IPRange"] = .string(range.description) }
            if let gateway = record.gateway { configuration["Gateway"] = .string(gateway.description) }
            configurations.append(configuration)
        }
        var options = record.options
        if let vni = record.vni { options["com.docker.network.driver.overlay.vxlanid_list"] = String(vni) }
        return [
            "Name": .string(record.name), "Id": .string(record.id), "Created": .string(record.createdAt.description),
            "Scope": .string(record.scope), "Driver": .string(record.driver), "EnableIPv4": true,
            "EnableIPv6": false,
            "IPAM": ["Driver": "default", "Options": nil, "Config": .array(configurations)],
            "Internal": .bool(record.isInternal), "Attachable": .bool(record.isAttachable),
            "Ingress": .bool(record.isIngress), "ConfigFrom": ["Network": ""], "ConfigOnly": false,
            "Containers": .object(
                Dictionary(members.map { ($0.containerID, member($0)) }, uniquingKeysWith: { first, _ in first })),
            "Options": .texts(options), "Labels": .texts(record.labels),
        ]
    }

    private static func member(_ member: NetworkMember) -> JSONValue {
        let address =
            member.endpoint.ipAddress.isEmpty ? "" : "\(member.endpoint.ipAddress)/\(member.endpoint.ipPrefixLen)"
        return [
            "Name": .string(member.name), "EndpointID": .string(member.endpoint.endpointID),
            "MacAddress": .string(member.endpoint.macAddress), "IPv4Address": .string(address), "IPv6Address": "",
        ]
    }

    /// A cluster's network as a record.
    static func record(_ object: NetworkObject) -> NetworkRecord {
        NetworkRecord(
            id: object.id, name: object.spec.name, createdAt: object.createdAt, driver: object.spec.driver,
            scope: "swarm", subnet: object.subnet, gateway: object.gateway, isInternal: object.spec.isInternal,
            isAttachable: object.spec.isAttachable, isIngress: object.spec.isIngress, labels: object.spec.labels,
            options: object.spec.options, vni: object.vni)
    }
}

/// Which networks a list shows (Engine API: NetworkList).
struct NetworkFilter {
    static let known: Set<String> = ["dangling", "driver", "id", "label", "name", "scope", "type"]
    private static let builtIn: Set<String> = ["bridge", "host", "none", "ingress"]

    private let filters: ObjectFilters

    init(_ filters: ObjectFilters) throws(EngineError) {
        try filters.check(known: Self.known)
        for type in filters.values["type"] ?? [] where type != "custom" && type != "builtin" {
            throw EngineError(.invalidParameter, "invalid filter: 'type'='\(type)'")
        }
        self.filters = filters
    }

    func matches(_ record: NetworkRecord, isUsed: Bool) -> Bool {
        filters.matches("driver") { record.driver == $0 } && filters.matches("id") { record.id.hasPrefix($0) }
            && filters.matches("name") { record.name.contains($0) } && filters.matches("scope") { record.scope == $0 }
            && filters.matches(labels: record.labels)
            && filters.matches("type") { ($0 == "builtin") == Self.builtIn.contains(record.name) }
            && filters.matches("dangling") {
                ["1", "true"].contains($0.lowercased()) == (!isUsed && !Self.builtIn.contains(record.name))
            }
    }
}
