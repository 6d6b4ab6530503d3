/// Where an engine listens, as DOCKER_HOST writes it.
public enum EngineAddress: Hashable, Sendable, CustomStringConvertible {
    /// A Unix socket's path.
    case unix(String)
    case tcp(host: String, port: Int)

    /// Where a client looks when nobody says otherwise.
    public static let standard = EngineAddress.unix("/run/martlet/martlet.sock")

    /// Parses `unix:///path`, `tcp://host:port` and `tcp://[address]:port`; the port is 2375 where it is missing.
    public init(parsing text: String) throws(EngineClientError) {
        let refusal = EngineClientError(
            status: 0, message: "unable to parse docker host \"\(text)\": write unix:///path or tcp://host:port")
        if text.hasPrefix("unix://") {
            let path = String(text.dropFirst(7))
            guard path.hasPrefix("/") else { throw refusal }
            self = .unix(path)
            return
        }
        guard text.hasPrefix("tcp://") else { throw refusal }
        var rest = text.dropFirst(6)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        var host = rest
        var port = 2375
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") {
            guard let number = Int(rest[rest.index(after: colon)...]), (1...65535).contains(number) else {
                throw refusal
            }
            host = rest[..<colon]
            port = number
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, !host.contains("/") else { throw refusal }
        self = .tcp(host: String(host), port: port)
    }

    /// What `DOCKER_HOST` names; the standard address where it is unset or empty.
    public init(environment: [String: String]) throws(EngineClientError) {
        guard let text = environment["DOCKER_HOST"], !text.isEmpty else {
            self = .standard
            return
        }
        try self.init(parsing: text)
    }

    public var description: String {
        switch self {
        case .unix(let path): "unix://\(path)"
        case .tcp(let host, let port): host.contains(":") ? "tcp://[\(host)]:\(port)" : "tcp://\(host):\(port)"
        }
    }
}
