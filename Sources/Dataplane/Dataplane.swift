import Executors
import Glibc
import LinuxSystem
import Logging
import Netlink
import NetworkModel
import Values

/// One host's networking, as the kernel holds it: sandboxes, bridges, overlays, load balancing and published ports.
///
/// It keeps no state of its own that the kernel could not tell again: a new instance over the same run directory goes
/// on where the last one ended. All calls run on one thread of the data plane's own.
public actor Dataplane {
    let configuration: DataplaneConfiguration
    let logger: Logger
    /// The host's network namespace.
    let hostNamespace: Descriptor
    /// Sockets in it.
    let host: NamespaceSockets
    var rules: HostRules
    /// The plan that was carried out last.
    var plan: HostNetworkPlan?

    /// Namespaces of sandboxes and networks that were needed once, by path.
    var opened: [String: OpenNamespace] = [:]

    private let executor: ThreadExecutor

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Opens the host's namespace and reads what the kernel holds of an earlier instance.
    public init(configuration: DataplaneConfiguration, logger: Logger = Logger(label: "dataplane")) throws {
        self.configuration = configuration
        self.logger = logger
        executor = ThreadExecutor(name: "dataplane")
        try Files.makeDirectories(configuration.runDirectory + "/netns")
        hostNamespace = try Descriptor.open(configuration.hostNamespace ?? "/proc/self/ns/net", O_RDONLY)
        host = try NamespaceSockets.open(in: hostNamespace.rawValue)
        var rules = try HostRules(host.filter.table(HostRules.tableName, family: .v4))
        for name in rules.bridges.keys where name != LinkNames.gateway {
            if try host.route.link(named: name) == nil { rules.bridges[name] = nil }
        }
        let directory = configuration.runDirectory + "/netns"
        rules.publications = rules.publications.filter {
            Self.number(of: directory + "/" + $0.value.owner, in: directory) != nil
        }
        self.rules = rules
    }

    /// Brings the host's table to what is wanted; the steps it took.
    @discardableResult
    func applyRules() throws -> [FilterChange] {
        try host.filter.apply(rules.table)
    }

    /// What every host that forwards for containers needs, in its own namespace.
    func prepareHost(links: [String] = []) throws {
        var settings = [("ipv4/ip_forward", "1")]
        for link in links { settings.append(("ipv4/conf/\(link)/route_localnet", "1")) }
        if links.contains(LinkNames.ingress) { settings.append(("ipv4/conf/\(LinkNames.ingress)/rp_filter", "2")) }
        // Bridged frames do not pass the IP rules; where somebody else has bridges, the choice is theirs.
        let foreign = try host.route.links().contains { $0.kind == "bridge" && !isOwn(bridge: $0.name) }
        if !foreign { settings.append(("bridge/bridge-nf-call-iptables", "0")) }
        try NamespaceSockets.apply(settings: settings, in: hostNamespace.rawValue)
    }

    private func isOwn(bridge name: String) -> Bool { name == LinkNames.gateway || rules.bridges[name] != nil }

    /// Runs `body` and tells a caller outside what the kernel said.
    func kernel<Result>(_ what: @autoclosure () -> String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as DataplaneError {
            throw error
        } catch {
            throw DataplaneError.kernel("\(what()): \(error)")
        }
    }
}
