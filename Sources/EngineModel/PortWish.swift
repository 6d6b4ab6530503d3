import Values

/// A port that a client wants published: where on the host, and to which port of the container.
public struct PortWish: Hashable, Sendable {
    public var container: PortKey
    /// nil for every address of the host.
    public var hostAddress: IPAddress?
    /// nil for a free port of the engine's choice.
    public var hostPorts: ClosedRange<UInt16>?

    public init(container: PortKey, hostAddress: IPAddress?, hostPorts: ClosedRange<UInt16>?) {
        self.container = container
        self.hostAddress = hostAddress
        self.hostPorts = hostPorts
    }

    /// What `bindings` ask for, and with `publishesAll` a free port for each of `exposed` without a binding; sorted, so
    /// that ports are taken in the same order on every run.
    public static func wishes(
        _ bindings: [String: [PortBinding]?], exposed: [String] = [], publishesAll: Bool = false
    ) throws(EngineError) -> [PortWish] {
        var wishes: [PortWish] = []
        var bound: Set<PortKey> = []
        for (text, list) in bindings.sorted(by: { $0.key < $1.key }) {
            guard let key = PortKey(text) else {
                throw EngineError(.invalidParameter, "invalid port specification: \"\(text)\"")
            }
            for binding in list ?? [] {
                bound.insert(key)
                wishes.append(
                    PortWish(
                        container: key, hostAddress: try address(binding.hostIp),
                        hostPorts: try range(binding.hostPort)))
            }
        }
        guard publishesAll else { return wishes }
        for text in exposed.sorted() {
            guard let key = PortKey(text) else {
                throw EngineError(.invalidParameter, "invalid port specification: \"\(text)\"")
            }
            if bound.insert(key).inserted { wishes.append(PortWish(container: key, hostAddress: nil, hostPorts: nil)) }
        }
        return wishes
    }

    private static func address(_ text: String) throws(EngineError) -> IPAddress? {
        guard !text.isEmpty else { return nil }
        guard let address = IPAddress(text) else {
            throw EngineError(.invalidParameter, "invalid IP address: \(text)")
        }
        return address.isUnspecified ? nil : address
    }

    private static func range(_ text: String) throws(EngineError) -> ClosedRange<UInt16>? {
        guard !text.isEmpty, text != "0" else { return nil }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
        guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first > 0, first <= last
        else {
            throw EngineError(.invalidParameter, "invalid port specification: \"\(text)\"")
        }
        return first...last
    }
}
