import AgentModel
import ClusterModel
import NetworkModel
import SessionModel
import Testing
import Values

@Suite struct AgentLedgerTests {
    private static let hello = AgentHello(
        description: NodeDescription(
            hostname: "h", platform: .init(architecture: "x86_64"), resources: .init(nanoCPUs: 1, memoryBytes: 1),
            engine: .init(engineVersion: "1")),
        bootID: "b")

    private static func picture(_ index: UInt64, tasks: [String] = []) -> HostPicture {
        let revision = PlanRevision(history: "c", index: index)
        let assigned = tasks.map { id in
            AssignedTask(
                task: TaskObject(
                    id: id, createdAt: .epoch, serviceID: "s", slot: 1, nodeID: "a",
                    spec: TaskTemplate(containerSpec: ContainerSpec(image: "x")), specVersion: 1),
                serviceName: "s")
        }
        return HostPicture(
            revision: revision, nodeID: "a", role: .worker, tasks: assigned,
            network: HostNetworkPlan(
                revision: revision, nodeID: "a", underlay: .v4Unspecified, networks: [], services: [], ingress: nil),
            zones: [:], networks: [], attachments: [], peers: [])
    }

    private static func observation(_ task: String, _ state: TaskState, _ counter: UInt64) -> TaskObservation {
        TaskObservation(
            taskID: task, nodeID: "a", status: TaskStatus(timestamp: .epoch, state: state, message: ""),
            isReady: false, readinessCounter: counter)
    }

    @Test("a session begins with all that the last one may have lost") func sessions() {
        var ledger = AgentLedger()
        #expect(ledger.open(Self.hello) == [.hello(Self.hello)])
        _ = ledger.observe(Self.observation("t2", .running, 1))
        _ = ledger.observe(Self.observation("t1", .failed, 2))
        _ = ledger.report()
        _ = ledger.take(.picture(Self.picture(3)))
        _ = ledger.apply(Self.picture(3))
        var hello = Self.hello
        hello.known = PlanRevision(history: "c", index: 3)
        let expected: [AgentMessage] = [
            .hello(hello), .report([Self.observation("t1", .failed, 2), Self.observation("t2", .running, 1)]),
            .receipt(HostReceipt(revision: PlanRevision(history: "c", index: 3))),
        ]
        #expect(ledger.open(Self.hello) == expected)
        ledger.forget("t2")
        #expect(ledger.open(Self.hello)[1] == .report([Self.observation("t1", .failed, 2)]))
    }

    @Test("a picture that is older than the last one is not followed; revisions of two histories do not compare")
    func olderPictures() {
        var ledger = AgentLedger()
        func take(_ picture: HostPicture) -> Bool { ledger.take(.picture(picture)) }
        #expect(take(Self.picture(7, tasks: ["t"])))
        #expect(!take(Self.picture(6)))
        #expect(ledger.wanted?.tasks.count == 1)
        #expect(take(Self.picture(7)))
        var other = Self.picture(2)
        other.revision.history = "another"
        #expect(take(other))
        #expect(ledger.wanted == other)
    }

    @Test("news go out together, each task's last") func news() {
        var ledger = AgentLedger()
        #expect(ledger.observe(Self.observation("t", .preparing, 1)) == true)
        #expect(ledger.observe(Self.observation("t", .ready, 2)) == true, "still the only one that waits")
        _ = ledger.observe(Self.observation("u", .ready, 3))
        #expect(
            ledger.report() == .report([Self.observation("t", .ready, 2), Self.observation("u", .ready, 3)]))
        #expect(ledger.report() == nil)
    }

    @Test("what is wanted, and whether the kernel holds it") func pictures() {
        var ledger = AgentLedger()
        // There is nothing that holds so far.
        #expect(ledger.take(.unchanged(PlanRevision(history: "c", index: 1))) == false)
        #expect(ledger.take(.heartbeat) == false)
        #expect(ledger.take(.picture(Self.picture(2, tasks: ["t"]))) == true)
        #expect(!ledger.isApplied && !ledger.holds("t"))
        #expect(
            ledger.apply(Self.picture(2, tasks: ["t"]))
                == .receipt(HostReceipt(revision: PlanRevision(history: "c", index: 2))))
        #expect(ledger.isApplied && ledger.holds("t") && !ledger.holds("u"))
        #expect(ledger.take(.unchanged(PlanRevision(history: "c", index: 7))) == true)
        #expect(ledger.isApplied, "only the number is another one")
        #expect(ledger.wanted?.revision.index == 7)
        ledger.verify()
        #expect(!ledger.isApplied)
        _ = ledger.apply(Self.picture(7, tasks: ["t"]), failure: "the kernel said no")
        #expect(!ledger.holds("t") && ledger.applied == nil)
        #expect(ledger.take(.picture(Self.picture(8))) == true)
        #expect(!ledger.isApplied)
    }
}
