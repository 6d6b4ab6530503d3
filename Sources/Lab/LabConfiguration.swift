import Values

/// What a lab consists of: the content of a lab's file (docs/lab.md).
public struct LabConfiguration: Hashable, Sendable, Codable {
    /// The most hosts of one lab.
    public static let hostLimit = 64
    /// The longest name of a lab or a host, in bytes: longer ones would make socket paths too long.
    public static let nameLimit = 24
    /// Names that no host may have.
    public static let reservedNames: Set<String> = ["underlay", "localhost"]

    /// A cluster role.
    public enum Role: String, Hashable, Sendable, Codable {
        case manager, worker
    }

    /// What a host may use; nil is all that the machine has.
    public struct Limits: Hashable, Sendable, Codable {
        /// Processors, fractions allowed.
        public var cpus: Double?
        public var memoryBytes: Int64?
        /// Bits per second, each way.
        public var rateBitsPerSecond: Int64?

        public init(cpus: Double? = nil, memoryBytes: Int64? = nil, rateBitsPerSecond: Int64? = nil) {
            self.cpus = cpus
            self.memoryBytes = memoryBytes
            self.rateBitsPerSecond = rateBitsPerSecond
        }
    }

    /// One host.
    public struct Host: Hashable, Sendable, Codable {
        public var name: String
        public var role: Role
        /// Become the labels of its node.
        public var labels: [String: String]
        public var limits: Limits

        public init(
            name: String, role: Role = .manager, labels: [String: String] = [:], limits: Limits = Limits()
        ) {
            self.name = name
            self.role = role
            self.labels = labels
            self.limits = limits
        }
    }

    /// The network that the hosts share; its first address is the underlay's own.
    public struct Underlay: Hashable, Sendable, Codable {
        public static let standardIPv4 = CIDR("10.77.0.0/24")!
        public static let standardIPv6 = CIDR("fd77::/64")!
        /// Bytes.
        public static let standardMTU = 1500

        public var ipv4: CIDR
        public var ipv6: CIDR
        public var mtu: Int
        /// The hosts' upstream DNS server; nil is the underlay's own address.
        public var dns: IPAddress?

        public init(
            ipv4: CIDR = standardIPv4, ipv6: CIDR = standardIPv6, mtu: Int = standardMTU, dns: IPAddress? = nil
        ) {
            self.ipv4 = ipv4
            self.ipv6 = ipv6
            self.mtu = mtu
            self.dns = dns
        }

        /// The underlay's own addresses, IPv4 first.
        public var own: (v4: IPAddress, v6: IPAddress) { (ipv4.host(1), ipv6.host(1)) }

        /// The addresses of the host at `index`: from the eleventh on, so that `h1` ends with 11, or from the second in
        /// a subnet too small for that.
        public func addresses(ofHost index: Int, of count: Int) -> (v4: IPAddress, v6: IPAddress) {
            let first = (ipv4.count ?? .max) > UInt64(count + 12) ? 11 : 2
            return (ipv4.host(UInt64(first + index)), ipv6.host(UInt64(first + index)))
        }
    }

    public var name: String
    public var hosts: [Host]
    public var underlay: Underlay

    public init(name: String, hosts: [Host], underlay: Underlay = Underlay()) {
        self.name = name
        self.hosts = hosts
        self.underlay = underlay
    }

    /// Throws where the values do not make a lab; the error names the value's path in the file.
    public func validate() throws(LabError) {
        try Self.validateName(name, path: "name")
        guard !hosts.isEmpty else { throw LabError("hosts: a lab needs at least one host") }
        guard hosts.count <= Self.hostLimit else {
            throw LabError("hosts: \(hosts.count) hosts; at most \(Self.hostLimit) are allowed")
        }
        var names: Set<String> = []
        for (index, host) in hosts.enumerated() {
            try Self.validateName(host.name, path: "hosts[\(index)].name")
            guard !Self.reservedNames.contains(host.name) else {
                throw LabError("hosts[\(index)].name: \"\(host.name)\" is reserved")
            }
            guard names.insert(host.name).inserted else {
                throw LabError("hosts[\(index)].name: two hosts are named \"\(host.name)\"")
            }
            try validate(host.limits, path: "hosts[\(index)].limits")
        }
        try validateUnderlay()
    }

    private func validate(_ limits: Limits, path: String) throws(LabError) {
        if let cpus = limits.cpus, !(cpus >= 0.01 && cpus <= 1024) {
            throw LabError("\(path).cpus: \(cpus) is not between 0.01 and 1024")
        }
        if let bytes = limits.memoryBytes, bytes < 16 << 20 {
            throw LabError("\(path).memory: a host needs at least 16MiB")
        }
        if let rate = limits.rateBitsPerSecond, !(8000...400_000_000_000).contains(rate) {
            throw LabError("\(path).rate: \(rate) bits/s is not between 8kbit and 400gbit")
        }
    }

    private func validateUnderlay() throws(LabError) {
        guard underlay.ipv4.address.isV4, (8...29).contains(underlay.ipv4.prefixLength),
            underlay.ipv4 == underlay.ipv4.network
        else {
            throw LabError("underlay.ipv4: \(underlay.ipv4) is not an IPv4 network with a prefix of 8 to 29")
        }
        guard underlay.ipv6.address.isV6, (16...120).contains(underlay.ipv6.prefixLength),
            underlay.ipv6 == underlay.ipv6.network
        else {
            throw LabError("underlay.ipv6: \(underlay.ipv6) is not an IPv6 network with a prefix of 16 to 120")
        }
        guard let room = underlay.ipv4.count, room >= UInt64(hosts.count + 3) else {
            throw LabError("underlay.ipv4: \(underlay.ipv4) has no room for \(hosts.count) hosts")
        }
        guard (1280...9000).contains(underlay.mtu) else {
            throw LabError("underlay.mtu: \(underlay.mtu) is not between 1280 and 9000")
        }
    }

    /// A lab's or host's name is a DNS label in lower case.
    static func validateName(_ name: String, path: String) throws(LabError) {
        let allowed = name.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d }
        guard allowed, (1...nameLimit).contains(name.utf8.count), !name.hasPrefix("-"), !name.hasSuffix("-") else {
            throw LabError(
                "\(path): \"\(name)\" is no name: write 1 to \(nameLimit) of a-z, 0-9 and -, without - at an end")
        }
    }
}
