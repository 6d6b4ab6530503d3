import ClusterModel
import Fuzzing
import JSON
import NetworkModel
import SessionModel
import Testing
import Values

/// What hosts and managers say to each other in a session, broken.
@Suite struct SessionFuzzTests {
    private static let revision = PlanRevision(history: "c", index: 7)

    @Test func agentMessages() throws {
        let description = NodeDescription(
            hostname: "h", platform: .init(architecture: "x86_64"),
            resources: .init(nanoCPUs: 4_000_000_000, memoryBytes: 1 << 33),
            engine: .init(engineVersion: "1", labels: ["a": "b"]))
        var status = TaskStatus(timestamp: .epoch, state: .failed, message: "m", err: "e")
        status.containerStatus = .init(containerID: "0123", pid: 42, exitCode: -1)
        let observation = TaskObservation(
            taskID: "t", nodeID: "n", status: status, isReady: false, readinessCounter: 18_446_744_073_709_551_615)
        let messages: [AgentMessage] = [
            .hello(AgentHello(description: description, bootID: "b")),
            .hello(AgentHello(description: description, bootID: "b", known: Self.revision)),
            .hello(AgentHello(description: description, bootID: "b", sections: [.peers: .empty, .host: .empty])),
            .report([observation, observation]),
            .receipt(HostReceipt(revision: Self.revision, failure: "no")),
            .receipt(HostReceipt(revision: Self.revision)),
            .heartbeat,
        ]
        let report = Fuzzer("session-agent").run(
            try messages.map { try $0.encoded() }, decode: { try AgentMessage(decoding: $0) },
            encode: { try $0.encoded() })
        #expect(report.finding == nil)
    }

    @Test func reports() throws {
        let news = [
            SessionNews(nodeID: "a", session: "s", isHeard: true, holding: .current),
            SessionNews(nodeID: "b", session: "t", isHeard: false, holding: .upTo(.max)),
            SessionNews(nodeID: "c", session: "u", isHeard: false, holding: .unknown),
        ]
        let reports = [
            SessionReport(server: "m", number: 1, term: 2, through: 3, news: news),
            SessionReport(server: "m", number: .max, term: .max, through: .max, news: []),
        ]
        let report = Fuzzer("session-report").run(
            try reports.map { try JSONCoding.encode($0) },
            decode: { try JSONCoding.decode(SessionReport.self, from: $0) }, encode: { try JSONCoding.encode($0) })
        #expect(report.finding == nil)
    }

    @Test func managerMessages() throws {
        let state = try ClusterViewTests().state(servingOn: ["t1"])
        var view = ClusterView(state)
        let seen = view.host("n1")
        let picture = try #require(seen)
        let index = try #require(view.index(of: "n1"))
        var messages: [ManagerMessage] = [.picture(picture), .unchanged(Self.revision), .heartbeat, .turn(index)]
        messages += view.changes(to: index, from: [:]).map { .section($0) }
        let report = Fuzzer("session-manager").run(
            try messages.map { try $0.encoded() }, decode: { try ManagerMessage(decoding: $0) },
            encode: { try $0.encoded() })
        #expect(report.finding == nil)
        // Forged ones make no picture, or one.
        let reading = Fuzzer("session-reader").run(
            try messages.map { try $0.encoded() },
            decode: { bytes in
                let message = try ManagerMessage(decoding: bytes)
                var reader = PictureReader()
                _ = try? reader.read(bytes)
                return message
            }, encode: { try $0.encoded() })
        #expect(reading.finding == nil)
    }
}
