import Values

/// Names of the data plane's links, at most 15 bytes each.
enum LinkNames {
    /// The bridge of the host's block of the gateway pool.
    static let gateway = "martlet-gw"
    /// The VXLAN between hosts.
    static let ingress = "martlet-in"
    /// In an overlay network's namespace.
    static let overlayBridge = "br0"
    static let overlayTunnel = "vx0"

    /// The host's end of a sandbox's interface: 12 digits of the sandbox's name where that is a container's identifier,
    /// else of its hash, and the number of the interface.
    static func port(sandbox: String, interface: String) -> String {
        let digits = interface.utf8.reversed().prefix { (0x30...0x39).contains($0) }.prefix(2).reversed()
        return "v" + stem(sandbox) + String(decoding: Array(digits), as: UTF8.self)
    }

    private static func stem(_ sandbox: String) -> String {
        if sandbox.utf8.count == 64, Hex.decode(sandbox) != nil { return String(sandbox.prefix(12)) }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in sandbox.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return String(Hex.encode((0..<8).map { UInt8(truncatingIfNeeded: hash >> ($0 * 8)) }).prefix(12))
    }
}
