import EngineModel

/// Where a server listens.
public enum ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// A Unix socket at a path, mode 0660; one left over there is replaced.
    case unix(String)
    /// Port 0 takes a free one.
    case tcp(host: String, port: Int)

    /// Parses `unix:///path`, `tcp://host:port` and `tcp://[address]:port`.
    public init(parsing text: String) throws(EngineError) {
        let refusal = EngineError(
            .invalidParameter, "invalid listen address \"\(text)\": write unix:///path or tcp://address:port")
        if text.hasPrefix("unix:///") {
            self = .unix(String(text.dropFirst(7)))
            return
        }
        guard text.hasPrefix("tcp://") else { throw refusal }
        let rest = text.dropFirst(6)
        guard let colon = rest.lastIndex(of: ":"), let port = Int(rest[rest.index(after: colon)...]),
            (0...65535).contains(port)
        else { throw refusal }
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        self = .tcp(host: host.isEmpty ? "0.0.0.0" : String(host), port: port)
    }

    public var description: String {
        switch self {
        case .unix(let path): "unix://\(path)"
        case .tcp(let host, let port): host.contains(":") ? "tcp://[\(host)]:\(port)" : "tcp://\(host):\(port)"
        }
    }
}
