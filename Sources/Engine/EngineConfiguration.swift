import NetworkModel
import Values

/// Where an engine keeps its things and what it starts.
public struct EngineConfiguration: Sendable {
    /// Images, containers, volumes and records; kept over reboots.
    public var dataDirectory: String
    /// Sockets and namespaces; empty after a reboot.
    public var runDirectory: String
    public var hostname: String
    /// The program `martlet-runtime`.
    public var runtimePath: String
    /// The program `martlet-net`; nil serves no names.
    public var nameServicePath: String?
    /// The bridge of the network `bridge`.
    public var defaultBridge = LocalBridge.defaultLinkName
    /// The address of the network `bridge` on this host, with its prefix.
    public var defaultBridgeAddress = CIDR(
        BridgeDefaults.subnet.host(1), prefixLength: BridgeDefaults.subnet.prefixLength)
    /// Subnets for networks that name none.
    public var addressPools = BridgeDefaults.pools
    /// Name servers for containers where the host names only ones on its own loopback.
    public var fallbackNameServers: [String] = []
    /// The network namespace of the host; nil for the one that the process is in.
    public var hostNamespace: String?
    /// Where the host's own resolv.conf is.
    public var resolverPath = "/etc/resolv.conf"
    public var labels: [String: String] = [:]

    public init(
        dataDirectory: String, runDirectory: String, hostname: String, runtimePath: String,
        nameServicePath: String? = nil
    ) {
        self.dataDirectory = dataDirectory
        self.runDirectory = runDirectory
        self.hostname = hostname
        self.runtimePath = runtimePath
        self.nameServicePath = nameServicePath
    }
}
