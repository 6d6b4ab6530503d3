import ClusterBackup
import ClusterModel
import Testing
import Values

@testable import ClusterManager

@Suite struct RenewalTests {
    private static let description = NodeDescription(
        hostname: "new", platform: .init(architecture: "x86_64"), resources: .init(nanoCPUs: 1, memoryBytes: 1),
        engine: .init(engineVersion: "1"))

    /// Two managers and a worker, a task on each, a container on the first.
    private func state() throws -> ClusterState {
        var state = ClusterState()
        let cluster = ClusterObject(
            id: "c", createdAt: .epoch, spec: [:], rootCertificate: "", rootKey: .init(unsealed: ""),
            workerToken: .init(unsealed: ""), managerToken: .init(unsealed: ""),
            addressPools: [], subnetSize: 24, dataPathPort: 4789, gatewayPool: CIDR("10.192.0.0/10")!)
        let network = NetworkObject(
            id: "x", createdAt: .epoch, spec: .init(name: "x"), subnet: CIDR("10.0.1.0/24")!,
            gateway: IPAddress("10.0.1.1")!, vni: 4097)
        var mutations: [Mutation] = [.putCluster(cluster, expected: 0), .putNetwork(network, expected: 0)]
        for (id, role) in [("m1", NodeSpec.Role.manager), ("m2", .manager), ("w", .worker)] {
            var node = NodeObject(
                id: id, createdAt: .epoch, spec: NodeSpec(labels: ["a": id], role: role), description: nil,
                status: NodeStatus(state: .ready, addr: "192.0.2.1"), clusterAddress: "192.0.2.1:2377")
            node.raftMember = role == .manager ? 7 : nil
            mutations.append(.putNode(node, expected: 0))
            let task = TaskObject(
                id: "t-\(id)", createdAt: .epoch, serviceID: "s", slot: 1, spec: TaskTemplate(containerSpec: nil),
                specVersion: 1)
            mutations += [.createTask(task), .assign(taskID: task.id, nodeID: id, attachments: [])]
        }
        mutations.append(
            .putAttachment(
                AttachmentObject(
                    id: "a", nodeID: "m1", networkID: "x", containerID: "k", address: CIDR("10.0.1.9/24")!, names: [])))
        _ = try state.apply(Transaction(time: .epoch, mutations: mutations), at: 5)
        return state
    }

    private func renewed(isFreshHost: Bool, nodeID: String = "m1") throws -> ClusterState {
        var state = try state()
        let renewal = ClusterRenewal(
            state: state, nodeID: nodeID, member: 9, address: "198.51.100.1", clusterAddress: "198.51.100.1:2377",
            description: Self.description, isFreshHost: isFreshHost, now: .epoch)
        _ = try state.apply(Transaction(time: .epoch, mutations: renewal.mutations(history: "h2")), at: 6)
        return state
    }

    @Test("One manager is left; the others are workers that are down; a new history begins")
    func managers() throws {
        let state = try renewed(isFreshHost: false)
        #expect(state.cluster?.historyID == "h2" && state.cluster?.isOpen == true)
        let own = try #require(state.nodes["m1"])
        #expect(own.raftMember == 9 && own.clusterAddress == "198.51.100.1:2377" && own.status.addr == "198.51.100.1")
        #expect(own.hostname == "new" && own.spec.labels == ["a": "m1"])
        let other = try #require(state.nodes["m2"])
        #expect(other.raftMember == nil && other.spec.role == .worker && other.status.state == .down)
        #expect(other.spec.labels == ["a": "m2"])
        #expect(try state.nodes["w"] == self.state().nodes["w"])
    }

    @Test("What ran on a host that is new is gone; what runs on one that goes on stays", arguments: [true, false])
    func tasks(isFreshHost: Bool) throws {
        let state = try renewed(isFreshHost: isFreshHost)
        #expect(state.tasks["t-m1"]?.status.state == (isFreshHost ? .orphaned : .assigned))
        #expect(state.tasks["t-w"]?.status.state == .assigned)
        #expect(state.attachments.isEmpty == isFreshHost)
    }

    @Test("A manager that the state does not know becomes one")
    func unknownNode() throws {
        let state = try renewed(isFreshHost: true, nodeID: "other")
        #expect(state.nodes["other"]?.spec.role == .manager && state.nodes["m1"]?.spec.role == .worker)
    }
}

@Suite struct BackupScheduleTests {
    private let schedule = BackupSchedule(
        directory: "", intervalNanoseconds: 3_600_000_000_000, count: 2, passphrase: nil)

    private func name(_ seconds: Int64, cluster: String = "c") -> String {
        BackupSchedule.name(
            BackupManifest(
                clusterID: cluster, history: "", revision: 17, time: .epoch, term: 0, nodeID: "",
                writtenAt: Timestamp(secondsSinceEpoch: seconds, nanoseconds: 5), version: "", stateBytes: 0,
                stateDigest: Digest(hex: String(repeating: "0", count: 64))!))
    }

    @Test func names() {
        #expect(name(1_700_000_000) == "c-2023-11-14T22:13:20Z-17.backup")
        #expect(
            BackupSchedule.time(of: name(1_700_000_000), cluster: "c") == Timestamp(secondsSinceEpoch: 1_700_000_000))
        for foreign in ["c-x.backup", "d-2023-11-14T22:13:20Z-17.backup", ".c.partial", "c-2023-11-14T22:13:20Z-17"] {
            #expect(BackupSchedule.time(of: foreign, cluster: "c") == nil)
        }
    }

    @Test func whenOneIsDue() {
        func isDue(_ seconds: Int64, _ names: [String]) -> Bool {
            schedule.isDue(at: Timestamp(secondsSinceEpoch: seconds), beside: names, cluster: "c")
        }
        #expect(isDue(1_000_000, []))
        #expect(isDue(1_000_000, [name(1_000_000, cluster: "d")]), "another cluster's does not count")
        #expect(!isDue(1_003_599, [name(1_000_000), name(900_000)]))
        #expect(isDue(1_003_600, [name(1_000_000), name(900_000)]))
        #expect(isDue(900_000, [name(1_000_000)]), "a clock that was set back")
    }

    @Test("The oldest go, and nothing that is not ours") func surplus() {
        let names = [name(3_000_000), name(1_000_000), "c-notes.txt", name(2_000_000), name(1, cluster: "d")]
        #expect(schedule.surplus(among: names, cluster: "c") == [name(1_000_000)])
        #expect(schedule.surplus(among: [name(1)], cluster: "c") == [])
    }
}
