/// A container's port as Docker writes it: `80/tcp`, the protocol being tcp where it is missing.
public struct PortKey: Hashable, Sendable, CustomStringConvertible {
    public var port: UInt16
    /// `tcp`, `udp` or `sctp`.
    public var transport: String

    public init(port: UInt16, transport: String) {
        self.port = port
        self.transport = transport
    }

    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let port = UInt16(parts[0]), port > 0 else { return nil }
        let transport = parts.count == 2 ? parts[1].lowercased() : "tcp"
        guard ["tcp", "udp", "sctp"].contains(transport) else { return nil }
        self.init(port: port, transport: transport)
    }

    public var description: String { "\(port)/\(transport)" }
}
