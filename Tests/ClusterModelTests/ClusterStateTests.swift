import ClusterModel
import JSON
import Testing
import Values

@Suite struct ClusterStateTests {
    private func service(_ id: String, name: String, port: UInt16 = 0) -> ServiceObject {
        var spec = ServiceSpec(name: name, taskTemplate: TaskTemplate(containerSpec: ContainerSpec(image: "x")))
        var endpoint = ServiceEndpoint()
        if port > 0 {
            spec.endpointSpec = EndpointSpec(ports: [PortConfiguration(targetPort: 80, publishedPort: port)])
            endpoint.ports = spec.ports
        }
        return ServiceObject(id: id, createdAt: .epoch, spec: spec, document: .null, endpoint: endpoint)
    }

    private func apply(_ state: inout ClusterState, _ mutations: Mutation...) throws(Refusal) {
        _ = try state.apply(Transaction(time: .epoch, mutations: mutations), at: state.index + 1)
    }

    @Test func aTransactionIsAppliedWholeOrNotAtAll() throws {
        var state = ClusterState()
        try apply(&state, .putService(service("1", name: "a"), expected: 0))
        #expect(throws: Refusal.alreadyExists(kind: .service, name: "a")) {
            try apply(
                &state, .putService(service("2", name: "b"), expected: 0),
                .putService(service("3", name: "a"), expected: 0))
        }
        #expect(state.services.count == 1)
        #expect(state.index == 2, "a refused entry is an entry all the same")
    }

    @Test("A transaction that is asked for twice changes once; one that was refused may be asked for again")
    func identifiersMakeItOnce() throws {
        var state = ClusterState()
        func ask(_ id: String, _ mutation: Mutation) throws(Refusal) -> Int {
            let transaction = Transaction(time: .epoch, id: id, mutations: [mutation])
            return try state.apply(transaction, at: state.index + 1).count
        }
        #expect(try ask("x", .putService(service("1", name: "a"), expected: 0)) == 1)
        #expect(try ask("x", .putService(service("1", name: "a"), expected: 0)) == 0)
        #expect(throws: Refusal.self) { _ = try ask("y", .putService(service("2", name: "a"), expected: 0)) }
        #expect(try ask("z", .removeService("1", expected: nil)) == 1)
        #expect(try ask("z", .removeService("1", expected: nil)) == 0)
        #expect(try ask("y", .putService(service("2", name: "a"), expected: 0)) == 1)
        func ask(_ id: String, generation: UInt64) throws(Refusal) {
            let index = generation * RecentTransactions.generationLength
            let mutations: [Mutation] = [.removeService("1", expected: nil)]
            _ = try state.apply(Transaction(time: .epoch, id: id, mutations: mutations), at: index)
        }
        try ask("z", generation: 1)
        #expect(throws: Refusal.self, "forgotten by now") { try ask("z", generation: 2) }
    }

    @Test func versionsAreChecked() throws {
        var state = ClusterState()
        try apply(&state, .putService(service("1", name: "a"), expected: 0))
        try apply(&state, .putService(service("1", name: "a"), expected: 1))
        #expect(throws: Refusal.versionMismatch(kind: .service, id: "1")) {
            try apply(&state, .putService(service("1", name: "a"), expected: 1))
        }
    }

    @Test func publishedPortsBelongToOneService() throws {
        var state = ClusterState()
        try apply(&state, .putService(service("1", name: "a", port: 80), expected: 0))
        #expect(throws: Refusal.portTaken(port: 80, service: "a", id: "1")) {
            try apply(&state, .putService(service("2", name: "b", port: 80), expected: 0))
        }
    }

    @Test("Tasks only go forward, whoever says otherwise")
    func tasksOnlyGoForward() throws {
        var state = ClusterState()
        let node = NodeObject(
            id: "n", createdAt: .epoch, spec: NodeSpec(role: .worker), description: nil,
            status: NodeStatus(state: .ready, addr: ""), clusterAddress: "")
        let task = TaskObject(
            id: "t", createdAt: .epoch, serviceID: "s", slot: 1, spec: TaskTemplate(containerSpec: nil), specVersion: 1)
        try apply(&state, .putNode(node, expected: 0), .createTask(task))
        try apply(&state, .assign(taskID: "t", nodeID: "n", attachments: []))
        func observation(_ next: TaskState, _ counter: UInt64, ready: Bool = false, node: String = "n") -> Mutation {
            .observe(
                TaskObservation(
                    taskID: "t", nodeID: node, status: TaskStatus(timestamp: .epoch, state: next, message: ""),
                    isReady: ready, readinessCounter: counter))
        }
        try apply(&state, observation(.running, 5, ready: true))
        #expect(state.tasks["t"]?.isServing == true)
        try apply(&state, observation(.running, 4, ready: false))
        #expect(state.tasks["t"]?.isServing == true, "older news")
        try apply(&state, observation(.failed, 9, node: "other"))
        #expect(state.tasks["t"]?.status.state == .running, "another node's word")
        try apply(&state, .desire(taskID: "t", .shutdown))
        try apply(&state, .desire(taskID: "t", .running))
        #expect(state.tasks["t"]?.desiredState == .shutdown)
        try apply(&state, observation(.failed, 6))
        try apply(&state, observation(.shutdown, 7))
        #expect(state.tasks["t"]?.status.state == .failed, "what has ended stays as it ended")
    }

    @Test func entriesSurviveTheirText() throws {
        let transaction = Transaction(
            time: Timestamp(secondsSinceEpoch: 5),
            mutations: [.putService(service("1", name: "a", port: 80), expected: 3), .removeTask("t")])
        let bytes = try JSONCoding.encode(transaction)
        #expect(try JSONCoding.decode(Transaction.self, from: bytes) == transaction)
        // Entries of earlier versions name who asked.
        var older = try JSONValue(parsing: bytes)
        older["author"] = "n"
        #expect(try JSONCoding.decode(Transaction.self, from: older.serialized()) == transaction)
    }

    @Test("Engine API: the body of POST /services/create, as the docker CLI sends it")
    func specificationFromDockersText() throws {
        let text = """
            {"Name":"web","Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"nginx:1","Env":["A=b"],"Mounts":[{"Type":
            "volume","Source":"v","Target":"/d"}],"StopGracePeriod":5000000000,"Healthcheck":{"Test":["CMD-SHELL","x"],
            "Interval":1000000000}},"Resources":{"Limits":{"NanoCPUs":500000000},"Reservations":{}},"RestartPolicy":
            {"Condition":"any","Delay":5000000000},"Placement":{"Constraints":["node.role==worker"],"Preferences":[{"Spread":
            {"SpreadDescriptor":"node.labels.zone"}}]},"Networks":[{"Target":"n1","Aliases":["w"]}],"ForceUpdate":0},"Mode":
            {"Replicated":{"Replicas":6}},"UpdateConfig":{"Parallelism":2,"FailureAction":"pause","Order":"start-first"},
            "EndpointSpec":{"Mode":"vip","Ports":[{"Protocol":"tcp","TargetPort":80,"PublishedPort":8080,"PublishMode":
            "ingress"}]}}
            """
        let spec = try JSONCoding.docker.decode(ServiceSpec.self, from: Array(text.utf8))
        #expect(spec.replicas == 6)
        #expect(spec.taskTemplate.containerSpec?.healthcheck?.interval == 1_000_000_000)
        #expect(spec.taskTemplate.containerSpec?.stopGracePeriod == 5_000_000_000)
        #expect(spec.taskTemplate.resources?.limits?.nanoCPUs == 500_000_000)
        #expect(spec.taskTemplate.placement?.preferences?.first?.spread?.spreadDescriptor == "node.labels.zone")
        #expect(spec.effectiveUpdate.startsFirst)
        #expect(spec.ports == [PortConfiguration(targetPort: 80, publishedPort: 8080)])
        let value = try JSONCoding.docker.value(of: spec)
        #expect(value["TaskTemplate"]?["Resources"]?["Limits"]?["NanoCPUs"] == 500_000_000)
        #expect(value["Mode"]?["Replicated"]?["Replicas"] == 6)
    }
}
