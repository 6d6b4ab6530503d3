import JSON
import TestSupport
import Testing

extension ClusterTests.Services {
    @Test("A node is shown with its tasks, and its labels place them", arguments: ClusterClient.available)
    func nodeObjects(client: ClusterClient) async throws {
        let cluster = try Cluster.required()
        let text = try await cluster.output(client, on: "h2", "node", "inspect", "h1", "w1")
        let nodes = try #require(JSONValue(parsing: Array(text.utf8)).array)
        #expect(nodes.map { $0["Description"]?["Hostname"]?.string } == ["h1", "w1"])
        #expect(nodes.map { $0["Spec"]?["Role"]?.string } == ["manager", "worker"])
        #expect(nodes.map { $0["Status"]?["State"]?.string } == ["ready", "ready"])
        #expect(nodes.map { $0["ManagerStatus"]?["Reachability"]?.string } == ["reachable", nil])
        #expect(nodes[0]["Spec"]?["Labels"] == ["zone": "a"])
        #expect((nodes[0]["Description"]?["Resources"]?["MemoryBytes"]?.integer ?? 0) > 0)
        let address = "\(try cluster.lab.host("h1").address)"
        #expect(nodes[0]["Status"]?["Addr"]?.string == address)
        let own = try await cluster.output(
            client, on: "h3", "node", "inspect", "--format", "{{.Description.Hostname}} {{.Spec.Availability}}", "self")
        #expect(own == "h3 active")
        let pretty = try await cluster.words(client, "node", "inspect", "--pretty", "h1")
        for line in [
            "Hostname: h1", "State: Ready", "Availability: Active", "Address: \(address)", "Raft Status: Reachable",
            "- zone=a",
        ] { #expect(pretty.contains(line), "\(line) in \(pretty)") }

        let name = "labelled-\(client)"
        try await cluster.output(
            client, "service", "create", "-d", "--name", name, "--constraint", "node.labels.disk==fast", "hello:v1")
        try await cluster.output(
            client, on: "h3", "node", "update", "--label-add", "disk=fast", "--label-add", "other=1", "w1")
        let labels = ["node", "inspect", "--format", "{{json .Spec.Labels}}", "w1"]
        #expect(try await cluster.run(client, labels).output == "{\"disk\":\"fast\",\"other\":\"1\"}\n")
        try await cluster.waitForTasks(1, of: name, where: { $0.node == "w1" })
        let format = "{{.Name}} {{.Node}} {{.DesiredState}} {{.CurrentState}}"
        func tasks(on host: String) async throws -> String {
            try await cluster.output(
                client, on: "h2", "node", "ps", "--filter", "desired-state=running", "--format", format, host)
        }
        #expect(try await tasks(on: "w1").hasPrefix("\(name).1 w1 Running Running"))
        #expect(try await tasks(on: "h1") == "")
        try await cluster.output(client, "service", "rm", name)
        try await cluster.output(client, "node", "update", "--label-rm", "disk", "--label-rm", "other", "w1")
        #expect(try await cluster.run(client, labels).output == "{}\n")
        #expect(
            try await cluster.refusal(client, "node", "update", "--label-rm", "disk", "w1").contains(
                "key disk doesn't exist in node's labels"))
        #expect(try await cluster.refusal(client, "node", "inspect", "nosuch").lowercased().contains("nosuch"))
    }
}
