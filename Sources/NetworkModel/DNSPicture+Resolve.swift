import Values

/// A question of a name server, reduced to what the cluster's names depend on (RFC 1035 section 4.1.2).
public struct DNSQuestion: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// A: IPv4 addresses.
        case v4
        /// AAAA: IPv6 addresses.
        case v6
        /// PTR: a name by address.
        case pointer
        /// Any other type.
        case other
    }

    /// In any case, with or without the dot at its end.
    public var name: String
    public var kind: Kind

    public init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }
}

/// What to answer.
public enum DNSAnswer: Hashable, Sendable {
    /// Records of the question's type, in this order; none where the name exists without such a record.
    case addresses([IPAddress])
    case pointer(String)
    /// Not a name of the cluster: ask these servers.
    case forward([IPAddress])
    /// NXDOMAIN.
    case notFound
}

extension DNSPicture {
    /// The answer for one sandbox.
    ///
    /// - Parameter rotation: turns the order of several addresses, so that clients that take the first spread.
    public func resolve(_ question: DNSQuestion, in sandbox: SandboxNames, rotation: Int = 0) -> DNSAnswer {
        var name = question.name.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        if question.kind == .pointer { return pointer(name, in: sandbox) }
        guard let addresses = addresses(of: name, in: sandbox) else { return elsewhere(sandbox) }
        let wanted = addresses.filter { question.kind == .v4 && $0.isV4 || question.kind == .v6 && $0.isV6 }
        guard wanted.count > 1 else { return .addresses(wanted) }
        let turn = Int(UInt(bitPattern: rotation) % UInt(wanted.count))
        return .addresses(Array(wanted[turn...] + wanted[..<turn]))
    }

    private func addresses(of name: String, in sandbox: SandboxNames) -> [IPAddress]? {
        if let own = sandbox.ownNames[name] { return own }
        for network in sandbox.networks {
            guard let zone = zones[network] else { continue }
            if let found = zone.names[name] { return found }
            let suffix = "." + zone.network.lowercased()
            if name.hasSuffix(suffix), let found = zone.names[String(name.dropLast(suffix.count))] { return found }
        }
        return nil
    }

    private func elsewhere(_ sandbox: SandboxNames) -> DNSAnswer {
        sandbox.upstreamServers.isEmpty ? .notFound : .forward(sandbox.upstreamServers)
    }

    private func pointer(_ name: String, in sandbox: SandboxNames) -> DNSAnswer {
        guard let address = Self.address(ofPointer: name) else { return elsewhere(sandbox) }
        for network in sandbox.networks {
            if let found = zones[network]?.pointers[address.description] { return .pointer(found) }
        }
        return elsewhere(sandbox)
    }

    /// The address in `4.3.2.1.in-addr.arpa` (RFC 1035 section 3.5) or nibbles under `ip6.arpa` (RFC 3596 section 2.5).
    static func address(ofPointer name: String) -> IPAddress? {
        if name.hasSuffix(".in-addr.arpa") {
            let labels = name.dropLast(".in-addr.arpa".count).split(separator: ".", omittingEmptySubsequences: false)
            return labels.count == 4 ? IPAddress(labels.reversed().joined(separator: ".")) : nil
        }
        guard name.hasSuffix(".ip6.arpa") else { return nil }
        let nibbles = name.dropLast(".ip6.arpa".count).split(separator: ".", omittingEmptySubsequences: false)
        guard nibbles.count == 32, nibbles.allSatisfy({ $0.utf8.count == 1 }) else { return nil }
        return Hex.decode(nibbles.reversed().joined()).flatMap { IPAddress(bytes: $0) }
    }
}
