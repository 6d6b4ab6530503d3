import Values

/// Where a host listens for its cluster: an IP address, or a name, and a port.
public struct ClusterAddress: Hashable, Sendable, Codable, CustomStringConvertible {
    public let host: String
    public let port: Int

    /// The port of the cluster on every host, as in Docker's swarm mode.
    public static let defaultPort = 2377

    public init(host: String, port: Int = defaultPort) {
        self.host = host
        self.port = port
    }

    public init(_ address: IPAddress, port: Int = defaultPort) { self.init(host: address.description, port: port) }

    /// Parses `10.0.0.1`, `10.0.0.1:2377`, `[fd00::1]:2377`, `fd00::1` and `host:2377`; nil for anything else.
    public init?(parsing text: some StringProtocol, defaultPort: Int = defaultPort) {
        if IPAddress(text) != nil {
            self.init(host: String(text), port: defaultPort)
            return
        }
        var host = text[...]
        var port = defaultPort
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
            let rest = host[host.index(after: end)...]
            host = host[host.index(after: host.startIndex)..<end]
            guard IPAddress(host)?.isV6 == true, rest.isEmpty || rest.hasPrefix(":") else { return nil }
            if !rest.isEmpty {
                guard let number = Self.port(rest.dropFirst()) else { return nil }
                port = number
            }
        } else if let colon = host.firstIndex(of: ":") {
            guard let number = Self.port(host[host.index(after: colon)...]) else { return nil }
            port = number
            host = host[..<colon]
        }
        guard !host.isEmpty, host.utf8.count <= 253, !host.contains(where: { $0 == "/" || $0.isWhitespace }) else {
            return nil
        }
        self.init(host: String(host), port: port)
    }

    private static func port(_ text: some StringProtocol) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(text), port > 0
        else { return nil }
        return Int(port)
    }

    /// `host:port`, an IPv6 address in brackets.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// A host to talk to: the node that must answer, and where.
public struct ClusterPeer: Hashable, Sendable, CustomStringConvertible {
    public let nodeID: String
    public let address: ClusterAddress

    public init(nodeID: String, address: ClusterAddress) {
        self.nodeID = nodeID
        self.address = address
    }

    public var description: String { "\(nodeID) at \(address)" }
}
