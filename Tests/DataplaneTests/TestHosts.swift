import Dataplane
import Glibc
import LinuxSystem
import Netlink
import NetworkModel
import TestSupport
import Values

/// Hosts as network namespaces on one underlay, each with a data plane of its own; clients stand in the underlay.
final class TestHosts: Sendable {
    static let mtu = 1500

    struct Host: Sendable {
        let name: String
        let namespace: String
        let address: IPAddress
        let runDirectory: String
        let dataplane: Dataplane
    }

    let directory: TemporaryDirectory
    /// Where clients stand: 192.0.2.254.
    let underlay: String
    let clientAddress = "192.0.2.254"
    let hosts: [Host]

    init(_ count: Int) throws {
        directory = try TemporaryDirectory("dataplane")
        underlay = directory.path("underlay")
        try NetworkNamespace.create(at: underlay)
        let middle = try Self.open(underlay)
        try middle.route.create(LinkRequest(name: "br0", kind: .bridge))
        let bridge = try middle.route.link(named: "br0")!.index
        try middle.route.add([AddressEntry(link: bridge, CIDR("192.0.2.254/24")!)])
        var hosts: [Host] = []
        for number in 1...max(1, count) where count > 0 {
            let namespace = directory.path("host\(number)")
            try NetworkNamespace.create(at: namespace)
            let inside = try Self.open(namespace)
            let hold = try Descriptor.open(namespace, O_RDONLY)
            let peer = LinkRequest.Peer(name: "eth0", mac: nil, namespace: hold.rawValue)
            try middle.route.create(
                LinkRequest(name: "h\(number)", kind: .veth(peer: peer), mtu: Self.mtu, master: bridge))
            let address = IPAddress("192.0.2.\(number)")!
            let link = try inside.route.link(named: "eth0")!.index
            try inside.route.change(link, isUp: true)
            try inside.route.add([AddressEntry(link: link, CIDR(address, prefixLength: 24))])
            try inside.route.add([RouteEntry(to: nil, via: IPAddress("192.0.2.254")!, link: link)])
            let run = directory.path("run\(number)")
            let dataplane = try Dataplane(
                configuration: DataplaneConfiguration(runDirectory: run, hostNamespace: namespace))
            hosts.append(
                Host(
                    name: "host\(number)", namespace: namespace, address: address, runDirectory: run,
                    dataplane: dataplane))
        }
        self.hosts = hosts
    }

    deinit {
        for host in hosts {
            for name in (try? Files.list(host.runDirectory + "/netns")) ?? [] {
                try? NetworkNamespace.remove(host.runDirectory + "/netns/" + name)
            }
            try? NetworkNamespace.remove(host.namespace)
        }
        try? NetworkNamespace.remove(underlay)
    }

    /// The kernel's networking in a namespace, with its loopback up.
    static func open(_ path: String) throws -> NamespaceSockets {
        let namespace = try Descriptor.open(path, O_RDONLY)
        let sockets = try NamespaceSockets.open(
            in: namespace.rawValue,
            settings: [("ipv6/conf/default/disable_ipv6", "1"), ("ipv6/conf/all/disable_ipv6", "1")])
        if let loopback = try sockets.route.link(named: "lo") { try sockets.route.change(loopback.index, isUp: true) }
        return sockets
    }

    func connect(
        to address: String, _ port: UInt16, isStream: Bool = true, sourcePort: UInt16 = 0
    ) throws -> TestConnection {
        try TestConnection(from: underlay, to: address, port, isStream: isStream, sourcePort: sourcePort)
    }
}

/// A cluster of test hosts: one overlay network, tasks on it, a plan for each host.
final class TestCluster {
    struct Task {
        let id: String
        let host: Int
        let address: IPAddress
        let gatewayAddress: IPAddress
        let server: TestServer
    }

    static let networkID = "net1aaaaaaaaaaaaaaaaaaaaa"
    static let subnet = CIDR("10.0.1.0/24")!
    static let virtualAddress = "10.0.1.2"

    let machines: TestHosts
    private(set) var tasks: [Task] = []
    private var revision: UInt64 = 0
    private var blocks: [IngressHost] = []

    init(hosts: Int) throws {
        machines = try TestHosts(hosts)
        for (index, host) in machines.hosts.enumerated() {
            let block = CIDR(OverlayDefaults.gatewayPool.address.advanced(by: UInt64(index) << 10), prefixLength: 22)
            blocks.append(IngressHost(nodeID: host.name, underlay: host.address, block: block))
        }
    }

    /// The plan of a host, where the tasks named serve and the others do not.
    func plan(for host: Int, serving: Set<String>, revision: UInt64) -> HostNetworkPlan {
        let here = machines.hosts[host]
        let endpoints = tasks.map {
            OverlayEndpoint(address: $0.address, host: machines.hosts[$0.host].address, owner: $0.id)
        }
        let backends = tasks.filter { serving.contains($0.id) }
        return HostNetworkPlan(
            revision: PlanRevision(index: revision), nodeID: here.name, underlay: here.address,
            networks: [
                OverlayNetwork(
                    id: Self.networkID, name: "front", vni: 4097, subnet: Self.subnet, endpoints: endpoints)
            ],
            services: [
                VirtualService(
                    id: "service", name: "web", networkID: Self.networkID, address: IPAddress(Self.virtualAddress)!,
                    backends: backends.map(\.address))
            ],
            ingress: IngressPlan(
                hosts: blocks,
                ports: [PortTransport.tcp, .udp].map {
                    IngressPort(
                        port: 8080, transport: $0, targetPort: 80, backends: backends.map(\.gatewayAddress),
                        service: "web")
                }, endpoints: tasks.map(\.gatewayAddress)))
    }

    /// Applies a plan in which these tasks serve (nil: all).
    @discardableResult
    func apply(serving: Set<String>? = nil) async throws -> [DataplaneReceipt] {
        revision += 1
        var receipts: [DataplaneReceipt] = []
        for (index, host) in machines.hosts.enumerated() {
            let plan = plan(for: index, serving: serving ?? Set(tasks.map(\.id)), revision: revision)
            receipts.append(await host.dataplane.apply(plan))
        }
        return receipts
    }

    /// Makes a sandbox with its interfaces and a server on port 80. The plan has to be applied before and after.
    func addTask(on host: Int) async throws {
        let number = tasks.count + 10
        let id = "task\(number)"
        let address = IPAddress("10.0.1.\(number)")!
        let gatewayAddress = blocks[host].block.host(UInt64(number))
        let dataplane = machines.hosts[host].dataplane
        let path = try await dataplane.createSandbox(id)
        try await dataplane.connect(
            sandbox: id,
            to: OverlayAttachment(
                networkID: Self.networkID, interface: "eth0", address: CIDR(address, prefixLength: 24)))
        try await dataplane.connectGateway(sandbox: id, interface: "eth1", address: gatewayAddress)
        let server = try TestServer(id, in: path, port: 80)
        tasks.append(
            Task(id: id, host: host, address: address, gatewayAddress: gatewayAddress, server: server))
    }

    func removeTask(_ id: String) { tasks.removeAll { $0.id == id } }

    func path(_ task: Task) -> String { machines.hosts[task.host].dataplane.sandboxPath(task.id) }
}
