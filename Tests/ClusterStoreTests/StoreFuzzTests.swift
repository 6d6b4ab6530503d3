import ClusterModel
import Fuzzing
import JSON
import Logging
import RaftNode
import TestSupport
import Testing
import Values

@testable import ClusterStore

/// Committed commands and outcomes whose bytes are broken.
@Suite struct StoreFuzzTests {
    @Test func outcomes() throws {
        let refusals: [Refusal?] = [
            nil, .versionMismatch(kind: .service, id: "s"), .inUse(kind: .network, id: "n", by: "x"),
            .portTaken(port: 80, service: "s", id: "i"), .notAllowed("because"),
        ]
        let report = Fuzzer("command-outcomes").run(
            try refusals.map { try CommandOutcome(refusal: $0).encoded() },
            decode: { try CommandOutcome(decoding: $0) },
            encode: { try $0.encoded() })
        #expect(report.finding == nil)
    }

    @Test("A cursor beyond every revision hides nothing")
    func cursors() throws {
        let folder = try TemporaryDirectory()
        let spec = ServiceSpec(name: "web", taskTemplate: TaskTemplate(containerSpec: ContainerSpec(image: "a")))
        let service = ServiceObject(
            id: "1", createdAt: .epoch, spec: spec, document: ["Name": "web"], endpoint: ServiceEndpoint())
        let transaction = Transaction(time: .epoch, mutations: [.putService(service, expected: 0)])
        let command = CommittedCommand(index: 3, term: 1, bytes: try JSONCoding.encode(transaction))
        do {
            // The file has what was applied when the store has ended.
            let store = try ClusterStore(directory: folder.path, logger: Logger(label: "test"))
            _ = try store.apply([command])
        }
        let store = try ClusterStore(directory: folder.path, logger: Logger(label: "test"))
        var filter = HistoryFilter()
        for before in [4, UInt64(Int64.max), UInt64(Int64.max) + 1, .max] {
            filter.before = before
            #expect(try store.history(filter).map(\.revision) == [3], "\(before)")
        }
    }
}
