import Dataplane
import LinuxSystem
import NetworkModel
import TestSupport
import Testing
import Values

/// Local bridge networks as Docker's bridge driver has them.
@Suite(.enabled(if: TestEnvironment.isRoot, "needs root")) struct BridgeTests {
    static let network = LocalBridge(id: "bridge", linkName: LocalBridge.defaultLinkName, subnet: BridgeDefaults.subnet)

    /// A host with two containers on the default bridge that answer on port 80.
    private func host() async throws -> (TestHosts, TestHosts.Host, [TestServer]) {
        let machines = try TestHosts(1)
        let host = machines.hosts[0]
        try await host.dataplane.ensureBridge(Self.network)
        var servers: [TestServer] = []
        for number in 2...3 {
            let path = try await add("c\(number)", to: host, Self.network, "172.17.0.\(number)/16")
            servers.append(try TestServer("c\(number)", in: path, port: 80))
        }
        return (machines, host, servers)
    }

    private func add(
        _ id: String, to host: TestHosts.Host, _ network: LocalBridge, _ address: String
    ) async throws -> String {
        let path = try await host.dataplane.createSandbox(id)
        try await host.dataplane.connect(
            sandbox: id,
            to: BridgeAttachment(
                bridge: network.linkName, interface: "eth0", address: CIDR(address)!, gateway: network.gateway))
        return path
    }

    @Test func containersReachEachOtherTheHostAndTheWorld() async throws {
        let (machines, host, servers) = try await host()
        defer { withExtendedLifetime(servers) {} }
        let first = host.dataplane.sandboxPath("c2")
        #expect(try TestConnection(from: first, to: "172.17.0.3", 80).greeting.prefix(2) == ["c3", "172.17.0.2"])
        #expect(try TestConnection(from: host.namespace, to: "172.17.0.3", 80).server == "c3")
        let outside = try TestServer("outside", in: machines.underlay, port: 90)
        defer { withExtendedLifetime(outside) {} }
        #expect(
            try TestConnection(from: first, to: machines.clientAddress, 90).client == "192.0.2.1",
            "traffic that leaves carries the host's address")
    }

    @Test func publishedPorts() async throws {
        let (machines, host, servers) = try await host()
        defer { withExtendedLifetime(servers) {} }
        func port(_ number: UInt16, at address: String? = nil, _ transport: PortTransport = .tcp) -> PublishedPort {
            PublishedPort(
                hostAddress: address.map { IPAddress($0)! }, hostPort: number, transport: transport,
                containerAddress: IPAddress("172.17.0.2")!, containerPort: 80)
        }
        let ports = [port(8080), port(8080, .udp), port(8081, at: "127.0.0.1")]
        try await host.dataplane.publish(ports, sandbox: "c2")
        #expect(try machines.connect(to: "192.0.2.1", 8080).greeting.prefix(2) == ["c2", "192.0.2.254"])
        #expect(
            try machines.connect(to: "192.0.2.1", 8080, isStream: false).greeting.prefix(2) == ["c2", "192.0.2.254"])
        for address in ["127.0.0.1", "192.0.2.1", "172.17.0.1"] {
            #expect(try TestConnection(from: host.namespace, to: address, 8080).server == "c2", "at \(address)")
        }
        #expect(try TestConnection(from: host.namespace, to: "127.0.0.1", 8080, isStream: false).server == "c2")
        #expect(try TestConnection(from: host.namespace, to: "127.0.0.1", 8081).server == "c2")
        #expect(throws: SystemError.self) { try machines.connect(to: "192.0.2.1", 8081) }
        // Hairpin: a neighbour and the container itself, through the host's port.
        for client in ["c2", "c3"] {
            let path = host.dataplane.sandboxPath(client)
            #expect(try TestConnection(from: path, to: "192.0.2.1", 8080).server == "c2", "from \(client)")
        }
        #expect(try await host.dataplane.publishedPorts()["c2"].map { Set($0) } == Set(ports))
        await #expect(throws: DataplaneError.portInUse(port(8080, at: "192.0.2.1"))) {
            try await host.dataplane.publish([port(8082), port(8080, at: "192.0.2.1")], sandbox: "c3")
        }
        #expect(try await host.dataplane.publishedPorts()["c3"] == nil, "all or none")
        let process = try TestServer("process", in: host.namespace, port: 8090)
        await #expect(throws: DataplaneError.portInUse(port(8090))) {
            try await host.dataplane.publish([port(8090)], sandbox: "c2")
        }
        withExtendedLifetime(process) {}

        let open = try machines.connect(to: "192.0.2.1", 8080)
        try await host.dataplane.unpublish(sandbox: "c2")
        #expect(throws: SystemError.self) { try machines.connect(to: "192.0.2.1", 8080) }
        #expect(try open.echo("still") == "still", "open connections go on")
        #expect(try await host.dataplane.flowCount(toSandbox: "c2") >= 1)
        #expect(try await host.dataplane.flowCount(toSandbox: "c3") == 0)
    }

    /// The host's own rules stay in charge (moby#22054).
    @Test func forwardPolicyOfTheHostClosesPublishedPorts() async throws {
        let (machines, host, servers) = try await host()
        defer { withExtendedLifetime(servers) {} }
        let port = PublishedPort(hostPort: 8080, containerAddress: IPAddress("172.17.0.2")!, containerPort: 80)
        try await host.dataplane.publish([port], sandbox: "c2")
        let rules = "table ip own { chain forward { type filter hook forward priority 10; policy drop; }; }"
        let made = try await Command.run(["nsenter", "--net=\(host.namespace)", "nft", rules])
        #expect(made.succeeded, "\(made.errorOutput)")
        #expect(throws: SystemError.self) {
            try TestConnection(from: machines.underlay, to: "192.0.2.1", 8080, limitMilliseconds: 300)
        }
    }

    @Test func bridgesAreIsolated() async throws {
        let (machines, host, servers) = try await host()
        let other = LocalBridge(id: "0123456789abcdef", subnet: CIDR("172.18.0.0/16")!)
        let inner = LocalBridge(id: "fedcba9876543210", subnet: CIDR("172.19.0.0/16")!, isInternal: true)
        try await host.dataplane.ensureBridge(other)
        try await host.dataplane.ensureBridge(inner)
        let otherPath = try await add("d2", to: host, other, "172.18.0.2/16")
        let innerPath = try await add("e2", to: host, inner, "172.19.0.2/16")
        let innerServer = try TestServer("e3", in: try await add("e3", to: host, inner, "172.19.0.3/16"), port: 80)
        let outside = try TestServer("outside", in: machines.underlay, port: 90)
        defer { withExtendedLifetime((servers, innerServer, outside)) {} }
        func isOpen(_ path: String, _ address: String, _ port: UInt16) -> Bool {
            (try? TestConnection(from: path, to: address, port, limitMilliseconds: 300)) != nil
        }
        #expect(!isOpen(otherPath, "172.17.0.2", 80), "between bridges")
        #expect(isOpen(otherPath, machines.clientAddress, 90))
        #expect(isOpen(innerPath, "172.19.0.3", 80))
        #expect(!isOpen(innerPath, machines.clientAddress, 90), "out of an internal network")
        // Nobody outside reaches what is not published, and nobody the host's loopback.
        let outer = try TestHosts.open(machines.underlay)
        let bridge = try #require(try outer.route.link(named: "br0")).index
        try outer.route.add([.init(to: CIDR("172.17.0.0/16")!, via: IPAddress("192.0.2.1")!, link: bridge)])
        #expect(!isOpen(machines.underlay, "172.17.0.2", 80))
        // A published port of one bridge is open to containers of another.
        let port = PublishedPort(hostPort: 8080, containerAddress: IPAddress("172.17.0.2")!, containerPort: 80)
        try await host.dataplane.publish([port], sandbox: "c2")
        #expect(isOpen(otherPath, "192.0.2.1", 8080))
    }

    @Test func aNewInstanceGoesOnAndCleansUp() async throws {
        let (machines, host, servers) = try await host()
        defer { withExtendedLifetime(servers) {} }
        let port = PublishedPort(hostPort: 8080, containerAddress: IPAddress("172.17.0.2")!, containerPort: 80)
        try await host.dataplane.publish([port], sandbox: "c2")
        let next = try Dataplane(
            configuration: DataplaneConfiguration(runDirectory: host.runDirectory, hostNamespace: host.namespace))
        #expect(try await next.sandboxes() == ["c2", "c3"])
        #expect(try await next.bridges() == ["martlet0"])
        #expect(try await next.publishedPorts() == ["c2": [port]])
        try await next.ensureBridge(Self.network)
        #expect(try machines.connect(to: "192.0.2.1", 8080).server == "c2", "a restart closes nothing")
        try await next.connect(
            sandbox: "c2",
            to: BridgeAttachment(
                bridge: "martlet0", interface: "eth0", address: CIDR("172.17.0.2/16")!,
                gateway: IPAddress("172.17.0.1")!))
        // What was half made when an instance ended is made anew.
        let inside = try TestHosts.open(next.sandboxPath("c3"))
        try inside.route.delete(inside.route.addresses().filter { $0.address.address == IPAddress("172.17.0.3") })
        try await next.connect(
            sandbox: "c3",
            to: BridgeAttachment(
                bridge: "martlet0", interface: "eth0", address: CIDR("172.17.0.3/16")!,
                gateway: IPAddress("172.17.0.1")!))
        #expect(try TestConnection(from: host.namespace, to: "172.17.0.3", 80).server == "c3")
        try await next.removeSandbox("c2")
        try await next.removeSandbox("c2")
        #expect(try await next.sandboxes() == ["c3"])
        #expect(try await next.publishedPorts().isEmpty)
        try await next.createSandbox("c2")
        try await next.connect(
            sandbox: "c2",
            to: BridgeAttachment(
                bridge: "martlet0", interface: "eth0", address: CIDR("172.17.0.2/16")!,
                gateway: IPAddress("172.17.0.1")!))
        try await next.removeBridge("martlet0")
        #expect(try TestHosts.open(host.namespace).route.link(named: "martlet0") == nil)
        #expect(try await next.bridges().isEmpty)
    }

    @Test func bridgesThatCannotBe() async throws {
        let machines = try TestHosts(1)
        let dataplane = machines.hosts[0].dataplane
        await #expect(throws: DataplaneError.self, "overlaps with the host's own network") {
            try await dataplane.ensureBridge(LocalBridge(id: "0123456789ab", subnet: CIDR("192.0.2.0/25")!))
        }
        await #expect(throws: DataplaneError.unknownBridge("br-none")) {
            try await dataplane.connect(
                sandbox: "x",
                to: BridgeAttachment(
                    bridge: "br-none", interface: "eth0", address: CIDR("172.17.0.2/16")!, gateway: nil))
        }
        for name in ["", "../x", ".x", "ov-x"] {
            await #expect(throws: DataplaneError.self) { try await dataplane.createSandbox(name) }
        }
    }
}
