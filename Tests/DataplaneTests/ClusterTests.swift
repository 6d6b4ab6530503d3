import Dataplane
import LinuxSystem
import Netlink
import NetworkModel
import TestSupport
import Testing
import Values

/// Overlay networks, virtual addresses and the ingress between hosts.
@Suite(.enabled(if: TestEnvironment.isRoot, "needs root")) struct ClusterTests {
    private func cluster(hosts: Int, tasksPerHost: Int) async throws -> TestCluster {
        let cluster = try TestCluster(hosts: hosts)
        for receipt in try await cluster.apply() { #expect(receipt.outcome == .applied, "\(receipt)") }
        for host in 0..<hosts { for _ in 0..<tasksPerHost { try await cluster.addTask(on: host) } }
        for receipt in try await cluster.apply() { #expect(receipt.outcome == .applied, "\(receipt)") }
        return cluster
    }

    @Test func overlayBetweenHosts() async throws {
        let cluster = try await cluster(hosts: 2, tasksPerHost: 1)
        let (first, second) = (cluster.tasks[0], cluster.tasks[1])
        let greeting = try TestConnection(from: cluster.path(first), to: "\(second.address)", 80).greeting
        #expect(greeting.prefix(2) == [second.id, "\(first.address)"])
        let connection = try TestConnection(from: cluster.path(second), to: "\(first.address)", 80)
        let long = String(repeating: "x", count: 1400)
        #expect(try connection.echo(long).count > 0)
        let ping = try await Command.run(
            [
                "nsenter", "--net=\(cluster.path(first))", "busybox", "ping", "-c", "1", "-W", "2", "-s", "1400",
                "\(second.address)",
            ])
        #expect(ping.succeeded, "\(ping.output)")
        let outside = try TestServer("outside", in: cluster.machines.underlay, port: 90)
        #expect(
            try TestConnection(from: cluster.path(first), to: cluster.machines.clientAddress, 90).client
                == "192.0.2.1", "the way out is the gateway bridge")
        withExtendedLifetime(outside) {}
    }

    @Test func virtualAddressIsBalancedAndDrained() async throws {
        let cluster = try await cluster(hosts: 3, tasksPerHost: 1)
        let client = cluster.path(cluster.tasks[0])
        func ask() throws -> TestConnection { try TestConnection(from: client, to: TestCluster.virtualAddress, 80) }
        var seen: [String: TestConnection] = [:]
        for _ in 0..<60 {
            let connection = try ask()
            seen[connection.server] = connection
        }
        #expect(Set(seen.keys) == Set(cluster.tasks.map(\.id)), "its own backend among them")
        #expect(seen[cluster.tasks[1].id]?.client == "\(cluster.tasks[0].address)")
        let ping = try await Command.run(
            ["nsenter", "--net=\(client)", "busybox", "ping", "-c", "1", "-W", "2", TestCluster.virtualAddress])
        #expect(ping.succeeded, "\(ping.output)")

        let leaving = cluster.tasks[2]
        let dataplane = cluster.machines.hosts[leaving.host].dataplane
        try await cluster.apply(serving: Set(cluster.tasks.prefix(2).map(\.id)))
        for _ in 0..<40 { #expect(try ask().server != leaving.id) }
        let open = try #require(seen[leaving.id])
        #expect(try open.echo("still") == "still", "a removed backend keeps its open connections")
        #expect(try await dataplane.flowCount(toSandbox: leaving.id) >= 1)
        seen[leaving.id] = nil
        withExtendedLifetime(open) {}
    }

    @Test func flowsAreCountedUntilTheyEnd() async throws {
        let cluster = try await cluster(hosts: 2, tasksPerHost: 1)
        let (first, second) = (cluster.tasks[0], cluster.tasks[1])
        let dataplane = cluster.machines.hosts[1].dataplane
        #expect(try await dataplane.flowCount(toSandbox: second.id) == 0)
        var open: TestConnection? = try TestConnection(from: cluster.path(first), to: "\(second.address)", 80)
        #expect(try await dataplane.flowCount(toSandbox: second.id) == 1)
        #expect(open != nil)
        open = nil
        try await waitUntil("the closed connection no longer counts") {
            try await dataplane.flowCount(toSandbox: second.id) == 0
        }
    }

    @Test func withoutBackendsConnectionsAreRefused() async throws {
        let cluster = try await cluster(hosts: 2, tasksPerHost: 1)
        try await cluster.apply(serving: [])
        let client = cluster.path(cluster.tasks[0])
        for isStream in [true, false] {
            for (place, address, port) in [
                (client, TestCluster.virtualAddress, UInt16(80)), (cluster.machines.underlay, "192.0.2.1", 8080),
            ] {
                do {
                    _ = try TestConnection(from: place, to: address, port, isStream: isStream)
                    Issue.record("\(address) answers")
                } catch let error as SystemError {
                    #expect(error.errno == 111, "\(address) stream \(isStream): \(error)")
                }
            }
        }
        try await cluster.apply()
        #expect(try TestConnection(from: client, to: TestCluster.virtualAddress, 80).server.hasPrefix("task"))
    }

    /// moby#25526. Every host answers on its address and on its loopback, and the task sees who asks.
    @Test func ingressKeepsTheClientsAddress() async throws {
        let cluster = try await cluster(hosts: 3, tasksPerHost: 1)
        let tasks = Set(cluster.tasks.map(\.id))
        for isStream in [true, false] {
            for host in cluster.machines.hosts {
                var seen: Set<String> = []
                for _ in 0..<40 {
                    let connection = try cluster.machines.connect(to: "\(host.address)", 8080, isStream: isStream)
                    #expect(connection.client == cluster.machines.clientAddress, "through \(host.name)")
                    seen.insert(connection.server)
                }
                #expect(seen == tasks, "through \(host.name), stream \(isStream)")
                for address in ["127.0.0.1", "\(host.address)"] {
                    seen = []
                    for _ in 0..<40 {
                        seen.insert(
                            try TestConnection(from: host.namespace, to: address, 8080, isStream: isStream).server)
                    }
                    #expect(seen == tasks, "on \(host.name) itself at \(address), stream \(isStream)")
                }
            }
            // From a host to another's address, from a task, and from a container on the host's own bridge.
            for place in [cluster.machines.hosts[0].namespace, cluster.path(cluster.tasks[0])] {
                var seen: Set<String> = []
                for _ in 0..<40 {
                    seen.insert(try TestConnection(from: place, to: "192.0.2.2", 8080, isStream: isStream).server)
                    seen.insert(try TestConnection(from: place, to: "192.0.2.1", 8080, isStream: isStream).server)
                }
                #expect(seen == tasks, "from \(place), stream \(isStream)")
            }
        }
    }

    /// Without conntrack zones by entry host one of the two would time out.
    @Test func oneClientPortThroughTwoEntryHosts() async throws {
        let cluster = try await cluster(hosts: 3, tasksPerHost: 0)
        try await cluster.addTask(on: 2)
        try await cluster.apply()
        for isStream in [true, false] {
            let connections = try (1...3).map { number in
                try cluster.machines.connect(to: "192.0.2.\(number)", 8080, isStream: isStream, sourcePort: 40_000)
            }
            for connection in connections {
                #expect(connection.client == cluster.machines.clientAddress)
                #expect(try connection.echo("again").isEmpty == false)
            }
        }
    }

    @Test func largeAnswersPassTheIngress() async throws {
        let cluster = try await cluster(hosts: 2, tasksPerHost: 0)
        try await cluster.addTask(on: 1)
        try await cluster.apply()
        let connection = try cluster.machines.connect(to: "192.0.2.1", 8080)
        let text = String(repeating: "0123456789", count: 200)
        var received = try connection.echo(text)
        while received.count < text.count { received += try connection.read() }
        #expect(received == text)
    }

    /// Connection tracking would lead every repetition of a lost first packet to the endpoint that is going.
    @Test func whatAWithdrawnEndpointDidNotAnswerGoesToAnother() async throws {
        let cluster = try await cluster(hosts: 2, tasksPerHost: 1)
        try await cluster.addTask(on: 0)
        try await cluster.apply()
        let (client, deaf, other) = (cluster.tasks[0], cluster.tasks[1], cluster.tasks[2])
        let sockets = try TestHosts.open(cluster.path(deaf))
        for name in ["eth0", "eth1"] {
            let link = try #require(try sockets.route.link(named: name))
            try sockets.route.change(link.index, isUp: false)
        }
        try await cluster.apply(serving: [deaf.id])
        for (place, address, port, endpoint) in [
            (cluster.path(client), TestCluster.virtualAddress, UInt16(80), deaf.address),
            (cluster.machines.underlay, "192.0.2.1", 8080, deaf.gatewayAddress),
        ] {
            async let answer = onThread {
                try TestConnection(from: place, to: address, port, limitMilliseconds: 60_000).server
            }
            let isInside = place == cluster.path(client)
            let tracking = try TestHosts.open(isInside ? place : cluster.machines.hosts[0].namespace)
            try await waitUntil("the first packet was sent") {
                try tracking.conntrack.flows().contains { $0.reply.source == endpoint && !$0.isAnswered }
            }
            try await cluster.apply(serving: [other.id])
            #expect(try await answer == other.id)
            try await cluster.apply(serving: [deaf.id])
        }
    }

    @Test func openIngressConnectionsSurviveWithdrawal() async throws {
        let cluster = try await cluster(hosts: 2, tasksPerHost: 1)
        let leaving = cluster.tasks[1]
        var open: TestConnection?
        while open == nil {
            let connection = try cluster.machines.connect(to: "192.0.2.1", 8080)
            if connection.server == leaving.id { open = connection }
        }
        try await cluster.apply(serving: [cluster.tasks[0].id])
        for _ in 0..<20 {
            #expect(try cluster.machines.connect(to: "192.0.2.2", 8080).server == cluster.tasks[0].id)
        }
        #expect(try open!.echo("still") == "still")
        // When the task is gone for good, its flows are forgotten.
        cluster.removeTask(leaving.id)
        try await cluster.apply()
        let flows = try TestHosts.open(cluster.machines.hosts[0].namespace).conntrack.flows()
        #expect(!flows.contains { $0.reply.source == leaving.gatewayAddress })
    }

    @Test func applyingAgainChangesNothing() async throws {
        let cluster = try await cluster(hosts: 2, tasksPerHost: 2)
        for receipt in try await cluster.apply() {
            #expect(receipt.outcome == .applied && receipt.changeCount == 0 && receipt.repairs.isEmpty, "\(receipt)")
        }
        // A new instance finds everything in place.
        let host = cluster.machines.hosts[0]
        let next = try Dataplane(
            configuration: DataplaneConfiguration(runDirectory: host.runDirectory, hostNamespace: host.namespace))
        #expect(try cluster.machines.connect(to: "192.0.2.1", 8080).server.hasPrefix("task"))
        let plan = cluster.plan(for: 0, serving: Set(cluster.tasks.map(\.id)), revision: 99)
        let receipt = await next.apply(plan)
        #expect(receipt.outcome == .applied && receipt.changeCount == 0, "\(receipt)")
        #expect(receipt.revision == PlanRevision(index: 99))
    }

    @Test func whatSomebodyElseChangedIsRepairedAndNamed() async throws {
        let cluster = try await cluster(hosts: 2, tasksPerHost: 1)
        let host = cluster.machines.hosts[0]
        let remote = cluster.tasks[1]
        let network = try TestHosts.open(host.runDirectory + "/netns/ov-" + TestCluster.networkID)
        let entry = try #require(
            try network.route.neighbours().first { if case .forwarding = $0.kind { true } else { false } })
        try network.route.delete([entry])
        let flushed = try await Command.run(
            [
                "nsenter", "--net=\(host.namespace)", "nft",
                "flush map ip martlet backends; flush chain ip martlet forward",
            ])
        #expect(flushed.succeeded, "\(flushed.errorOutput)")
        let differences = try await host.dataplane.verify()
        let wanted = MACAddress(derivedFrom: remote.address)!
        #expect(
            differences.contains {
                $0.kind == .missing && $0.entry == "forwarding entry \(wanted) to 192.0.2.2 on vx0"
            }, "\(differences)")
        let receipt = try await cluster.apply()[0]
        #expect(receipt.outcome == .applied)
        #expect(Set(receipt.repairs) == Set(differences))
        #expect(receipt.repairs.contains { $0.entry == "rules of chain martlet forward" })
        #expect(try await host.dataplane.verify().isEmpty)
        #expect(
            try TestConnection(from: cluster.path(cluster.tasks[0]), to: "\(remote.address)", 80).server == remote.id)
    }

    @Test func leavingRemovesWhatThePlanDoesNotName() async throws {
        let cluster = try await cluster(hosts: 2, tasksPerHost: 1)
        let host = cluster.machines.hosts[0]
        var plan = cluster.plan(for: 0, serving: [], revision: 50)
        plan.networks = []
        plan.services = []
        plan.ingress = nil
        var receipt = await host.dataplane.apply(plan)
        #expect(receipt.outcome == .applied, "\(receipt)")
        let path = host.runDirectory + "/netns/ov-" + TestCluster.networkID
        #expect(Files.exists(path), "a sandbox is still in it")
        try await host.dataplane.removeSandbox(cluster.tasks[0].id)
        cluster.removeTask(cluster.tasks[0].id)
        try await waitUntil("the network's namespace is gone") {
            receipt = await host.dataplane.apply(plan)
            return !Files.exists(path)
        }
        let links = try TestHosts.open(host.namespace).route.links().map(\.name)
        #expect(!links.contains("martlet-gw") && !links.contains("martlet-in"), "\(links)")
    }

    /// One place that cannot be done fails the receipt, names itself and keeps no other from being done.
    @Test func aReceiptTellsOfFailure() async throws {
        let cluster = try await cluster(hosts: 1, tasksPerHost: 1)
        let host = cluster.machines.hosts[0]
        let outer = try TestHosts.open(host.namespace)
        try outer.route.create(
            LinkRequest(
                name: "foreign", kind: .vxlan(vni: 5000, local: host.address, port: 4789, answersARP: false)))
        var plan = cluster.plan(for: 0, serving: [], revision: 60)
        plan.networks.insert(
            OverlayNetwork(id: "taken", name: "taken", vni: 5000, subnet: CIDR("10.0.2.0/24")!), at: 0)
        let receipt = await host.dataplane.apply(plan)
        guard case .failed(let reason) = receipt.outcome else {
            Issue.record("\(receipt)")
            return
        }
        #expect(reason.hasPrefix("network taken: create link vx0"), "\(reason)")
        #expect(throws: SystemError.self, "the rest of the plan is done") {
            try TestConnection(from: cluster.path(cluster.tasks[0]), to: TestCluster.virtualAddress, 80)
        }
        plan.underlay = IPAddress("192.0.2.77")!
        #expect(await host.dataplane.apply(plan).outcome != .applied)
    }

    @Test func attachmentsThatCannotBe() async throws {
        let cluster = try await cluster(hosts: 1, tasksPerHost: 0)
        let dataplane = cluster.machines.hosts[0].dataplane
        try await dataplane.createSandbox("x")
        await #expect(throws: DataplaneError.unknownNetwork("none")) {
            try await dataplane.connect(
                sandbox: "x", to: OverlayAttachment(networkID: "none", interface: "eth0", address: CIDR("10.0.1.9/24")!)
            )
        }
        await #expect(throws: DataplaneError.unknownSandbox("y")) {
            try await dataplane.connect(
                sandbox: "y",
                to: OverlayAttachment(
                    networkID: TestCluster.networkID, interface: "eth0", address: CIDR("10.0.1.9/24")!))
        }
        await #expect(throws: DataplaneError.self) {
            try await dataplane.connectGateway(sandbox: "x", interface: "eth1", address: IPAddress("10.9.9.9")!)
        }
    }
}
