import JSON
import Values

/// A port to publish: `[address:][port[-port]:]port[-port][/protocol]`.
struct PublishFlag: Hashable {
    /// Empty for every address.
    var hostAddress: String
    /// nil for one of the engine's choice.
    var hostPorts: ClosedRange<UInt16>?
    var containerPorts: ClosedRange<UInt16>
    /// `tcp`, `udp` or `sctp`.
    var transport: String

    init(parsing text: String, flag: String = "--publish") throws(FlagError) {
        func fail(_ reason: String) -> FlagError { FlagError(flag, text, reason) }
        var rest = text[...]
        transport = "tcp"
        if let slash = rest.lastIndex(of: "/") {
            transport = rest[rest.index(after: slash)...].lowercased()
            guard ["tcp", "udp", "sctp"].contains(transport) else { throw fail("invalid proto: \(transport)") }
            rest = rest[..<slash]
        }
        hostAddress = ""
        if rest.hasPrefix("[") {
            guard let end = rest.firstRange(of: "]:") else { throw fail("invalid IP address") }
            hostAddress = String(rest[rest.index(after: rest.startIndex)..<end.lowerBound])
            rest = rest[end.upperBound...]
        }
        var parts = rest.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        if hostAddress.isEmpty, parts.count == 3 {
            hostAddress = parts.removeFirst()
        }
        guard (1...2).contains(parts.count) else { throw fail("invalid port specification") }
        guard hostAddress.isEmpty || IPAddress(hostAddress) != nil else {
            throw fail("invalid IP address: \(hostAddress)")
        }
        guard let container = Self.range(parts[parts.count - 1]) else {
            throw fail(
                parts[parts.count - 1].isEmpty
                    ? "no port specified: \(text)<empty>" : "invalid containerPort: \(parts[parts.count - 1])")
        }
        containerPorts = container
        hostPorts = nil
        if parts.count == 2, !parts[0].isEmpty {
            guard let host = Self.range(parts[0]) else { throw fail("invalid hostPort: \(parts[0])") }
            guard container.count == 1 || host.count == container.count else {
                throw fail("invalid ranges specified for container and host Ports: \(parts[1]) and \(parts[0])")
            }
            hostPorts = host
        }
    }

    private static func range(_ text: String) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
        guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first > 0,
            first <= last
        else { return nil }
        return first...last
    }

    /// Each container port, `80/tcp`, with its binding (Engine API: PortBinding).
    var bindings: [(key: String, binding: JSONValue)] {
        containerPorts.enumerated().map { offset, port in
            let host: String =
                switch hostPorts {
                case nil: ""
                case let range? where containerPorts.count == 1 && range.count > 1:
                    "\(range.lowerBound)-\(range.upperBound)"
                case let range?: String(range.lowerBound + UInt16(offset))
                }
            return ("\(port)/\(transport)", ["HostIp": .string(hostAddress), "HostPort": .string(host)])
        }
    }

    /// Ports of a service from the short or the long syntax (Engine API: EndpointPortConfig).
    static func servicePorts(_ text: String, flag: String = "--publish") throws(FlagError) -> [JSONValue] {
        guard text.contains("=") else {
            let short = try PublishFlag(parsing: text, flag: flag)
            guard short.hostAddress.isEmpty else { throw FlagError(flag, text, "hostip is not supported") }
            if short.containerPorts.count == 1, let host = short.hostPorts, host.count > 1 {
                throw FlagError(flag, text, "invalid port range: one target port for several published ones")
            }
            return short.containerPorts.enumerated().map { offset, port in
                let published = short.hostPorts.map { Int64($0.lowerBound) + Int64(offset) } ?? 0
                return [
                    "Protocol": .string(short.transport), "TargetPort": .integer(Int64(port)),
                    "PublishedPort": .integer(published), "PublishMode": "ingress",
                ]
            }
        }
        var port: JSONValue = ["Protocol": "tcp", "PublishMode": "ingress", "PublishedPort": 0]
        for (key, value) in KeyedFields.parse(text) {
            let value = value?.lowercased() ?? ""
            switch key {
            case "protocol":
                guard ["tcp", "udp", "sctp"].contains(value) else {
                    throw FlagError(flag, text, "invalid protocol value '\(value)'")
                }
                port["Protocol"] = .string(value)
            case "mode":
                guard ["ingress", "host"].contains(value) else {
                    throw FlagError(
                        flag, text, "invalid publish mode value (\(value)): must be either 'ingress' or 'host'")
                }
                port["PublishMode"] = .string(value)
            case "target", "published":
                guard let number = UInt16(value) else {
                    throw FlagError(flag, text, "invalid \(key) port (\(value)): value must be an integer")
                }
                port[key == "target" ? "TargetPort" : "PublishedPort"] = .integer(Int64(number))
            default: throw FlagError(flag, text, "invalid field key: \(key)")
            }
        }
        guard port.number("TargetPort") > 0 else { throw FlagError(flag, text, "missing mandatory field 'target'") }
        return [port]
    }
}
