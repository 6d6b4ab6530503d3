import ClusterModel
import Fuzzing
import JSON
import LinuxSystem
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

    @Test("A task whose template is read once is the task that its text says") func tasks() throws {
        var task = TaskObject(
            id: "task", createdAt: .epoch, serviceID: "svc", slot: 1, nodeID: "node",
            spec: TaskTemplate(containerSpec: ContainerSpec(image: "a")), specVersion: 4)
        let plain = try JSONCoding.encode(task)
        task.attachments = [TaskAttachment(networkID: "spec", address: CIDR("10.0.1.3/24")!, aliases: ["spec", "\"}"])]
        struct Disagreement: Error {}
        var reader = TaskReader()
        let report = Fuzzer("state-tasks").run(
            [plain, try JSONCoding.encode(task)],
            decode: { text in
                let read = try reader.task(text)
                // What was read before may not show in what is read next, nor another place than the text's own.
                guard let expected = try? JSONCoding.decode(TaskObject.self, from: text) else { return read }
                return read == expected
                    ? read
                    : TaskObject(
                        id: "!", createdAt: .epoch, serviceID: "", slot: 0, nodeID: "", spec: task.spec, specVersion: 0)
            },
            encode: { task in
                if task.id == "!" { throw Disagreement() }
                return try JSONCoding.encode(task)
            })
        #expect(report.finding == nil)
    }

    @Test("A state's file that arrives broken is refused or read, and never traps") func files() throws {
        let folder = try TemporaryDirectory()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let path = folder.path("snapshot")
        do {
            let source = try ClusterStore(directory: folder.path("source"), logger: logger)
            let spec = ServiceSpec(name: "web", taskTemplate: TaskTemplate(containerSpec: ContainerSpec(image: "a")))
            let service = ServiceObject(
                id: "1", createdAt: .epoch, spec: spec, document: ["Name": "web"], endpoint: ServiceEndpoint())
            let transaction = Transaction(time: .epoch, mutations: [.putService(service, expected: 0)])
            _ = try source.apply([
                CommittedCommand(index: 3, term: 1, bytes: try JSONCoding.encode(transaction))
            ])
            _ = try source.writeSnapshot(to: path)
        }
        let target = try ClusterStore(directory: folder.path("target"), logger: logger)
        var fuzzer = Fuzzer("state-files")
        fuzzer.inputLimit = fuzzer.inputLimit.map { min($0, 300) }
        let report = fuzzer.run(
            [try Files.read(path)],
            decode: { bytes in
                try Files.write(path, bytes)
                _ = try target.installation(of: path, index: 3)
                return bytes
            }, encode: { $0 })
        #expect(report.finding == nil)
        #expect(try Files.list(folder.path("target")).count { $0.hasSuffix(".sqlite") } == 1)
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
