import JSON
import TestSupport
import Testing
import Values

extension ClusterTests.Services {
    @Test(
        "An overlay network has the subnet that was asked for, and its tasks' addresses lie in it",
        arguments: ClusterClient.available)
    func subnet(client: ClusterClient) async throws {
        let cluster = try Cluster.required()
        let name = "wide-\(client)"
        let subnet = try #require(CIDR(client == .docker ? "10.99.4.0/22" : "10.98.4.0/22"))
        try await cluster.output(
            client, on: "h2", "network", "create", "-d", "overlay", "--subnet", "\(subnet)", "--gateway",
            "\(subnet.host(1))", "--label", "kind=wide", name)
        let text = try await cluster.output(client, on: "h3", "network", "inspect", name)
        let network = try #require(JSONValue(parsing: Array(text.utf8)).array?.first)
        let pool = network["IPAM"]?["Config"]?[0]
        #expect(pool?["Subnet"]?.string == "\(subnet)" && pool?["Gateway"]?.string == "\(subnet.host(1))")
        #expect(network["Driver"] == "overlay" && network["Scope"] == "swarm" && network["Attachable"] == false)
        #expect(network["Labels"] == ["kind": "wide"])
        let refused = try await cluster.refusal(
            client, "network", "create", "-d", "overlay", "--subnet", "\(subnet)", "second")
        #expect(refused.contains("overlap"), "\(refused)")

        try await cluster.output(
            client, "service", "create", "-d", "--name", name, "--network", name, "--replicas", "4", "hello:v1")
        let tasks = try await cluster.waitForTasks(4, of: name)
        var addresses: Set<IPAddress> = []
        for task in tasks {
            let shown = try await cluster.get("/tasks/\(task.id)")["NetworksAttachments"]?[0]
            #expect(shown?["Network"]?["Spec"]?["Name"]?.string == name)
            let address = try #require(shown?["Addresses"]?[0]?.string)
            // As the container itself has it.
            let own = try await cluster.output(
                client, on: task.node, "exec", task.containerID, "ip", "-4", "-o", "addr", "show")
            #expect(own.contains(" inet \(address) "), "\(address) in \(own)")
            #expect(address.hasSuffix("/22"))
            addresses.insert(try #require(IPAddress(String(address.prefix { $0 != "/" }))))
        }
        let virtual = try #require(
            try await cluster.get("/services/\(name)")["Endpoint"]?["VirtualIPs"]?[0]?["Addr"]?.string)
        addresses.insert(try #require(IPAddress(String(virtual.prefix { $0 != "/" }))))
        #expect(addresses.count == 5 && addresses.allSatisfy(subnet.contains), "\(addresses)")
        #expect(!addresses.contains(subnet.host(1)))
        try await cluster.output(client, "service", "rm", name)
        // It is in use until the last task has ended.
        try await waitUntil("the network is removed", within: .seconds(20)) {
            try await cluster.run(client, "network", "rm", name).succeeded
        }
    }

    @Test(
        "A task on an overlay network resolves names of the world outside",
        .enabled(if: UpstreamNames.isPossible, "the name server needs python3"))
    func externalNames() async throws {
        let cluster = try Cluster.required()
        try await UpstreamNames.serve(cluster.lab)
        try await cluster.output(
            "service", "create", "-d", "--name", "outward", "--network", "app", "--mode", "global", "hello:v1")
        for task in try await cluster.waitForTasks(4, of: "outward") {
            let known = try await cluster.run(
                on: task.node, "exec", task.containerID, "nslookup", "upstream.example")
            #expect(known.output.contains("10.9.8.7"), "\(task.node): \(known.output)")
            let unknown = try await cluster.run(on: task.node, "exec", task.containerID, "nslookup", "absent.example")
            #expect(!unknown.succeeded && unknown.output.contains("NXDOMAIN"), "\(task.node): \(unknown.output)")
        }
        try await cluster.output("service", "rm", "outward")
    }
}
