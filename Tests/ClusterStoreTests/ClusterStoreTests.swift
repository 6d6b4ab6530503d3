import ClusterModel
import ClusterStore
import Glibc
import JSON
import Logging
import RaftNode
import SQLite
import TestSupport
import Testing
import Values
import WatchModel

@Suite struct ClusterStoreTests {
    private func command(_ index: UInt64, _ mutations: Mutation...) throws -> CommittedCommand {
        let transaction = Transaction(
            time: Timestamp(secondsSinceEpoch: Int64(index)), mutations: mutations)
        return CommittedCommand(index: index, term: 1, bytes: try JSONCoding.encode(transaction))
    }

    private func service(_ id: String, _ name: String) -> ServiceObject {
        ServiceObject(
            id: id, createdAt: .epoch,
            spec: ServiceSpec(name: name, taskTemplate: TaskTemplate(containerSpec: ContainerSpec(image: "x"))),
            document: ["Name": .string(name), "Unknown": 5], endpoint: ServiceEndpoint())
    }

    private func outcome(_ bytes: [UInt8]) throws -> Refusal? {
        try CommandOutcome(decoding: bytes).refusal
    }

    @Test func whatWasAppliedIsThereAfterAStart() throws {
        let folder = try TemporaryDirectory()
        let logger = Logger(label: "test")
        do {
            let store = try ClusterStore(directory: folder.path, logger: logger)
            let results = try store.apply([
                command(3, .putService(service("1", "a"), expected: 0)),
                command(4, .putService(service("2", "a"), expected: 0)),
                command(5, .putService(service("2", "b"), expected: 0)),
                command(6, .removeService("1", expected: nil)),
            ])
            #expect(try results.map(outcome) == [nil, .alreadyExists(kind: .service, name: "a"), nil, nil])
        }
        let again = try ClusterStore(directory: folder.path, logger: logger)
        #expect(again.appliedIndex == 6)
        #expect(again.state.services.values.map(\.spec.name) == ["b"])
        #expect(again.state.services["2"]?.document["Unknown"] == 5, "fields that nobody knows survive")
        #expect(again.state.time == Timestamp(secondsSinceEpoch: 6))
    }

    @Test("What was asked for is still known after a start, so that all managers answer a repetition alike")
    func identifiersSurvive() throws {
        let folder = try TemporaryDirectory()
        let logger = Logger(label: "test")
        func ask(_ store: ClusterStore, _ index: UInt64, _ id: String) throws -> Refusal? {
            let mutations: [Mutation] = [.putService(service(id, "name-\(id)"), expected: 0)]
            let transaction = Transaction(time: .epoch, id: id, mutations: mutations)
            let command = CommittedCommand(index: index, term: 1, bytes: try JSONCoding.encode(transaction))
            return try outcome(store.apply([command])[0])
        }
        do {
            let store = try ClusterStore(directory: folder.path, logger: logger)
            #expect(try ask(store, 1, "a") == nil)
            #expect(try ask(store, 2, "b") == nil)
        }
        let again = try ClusterStore(directory: folder.path, logger: logger)
        #expect(["a", "b"].allSatisfy(again.state.recentTransactions.contains))
        #expect(try ask(again, 3, "b") == nil)
        #expect(again.state.services.count == 2)
    }

    @Test func aSnapshotBecomesAnotherManagersState() throws {
        let folder = try TemporaryDirectory()
        let logger = Logger(label: "test")
        let source = try ClusterStore(directory: folder.path + "/one", logger: logger)
        _ = try source.apply([command(3, .putService(service("1", "a"), expected: 0))])
        let file = folder.path + "/snapshot"
        #expect(try source.writeSnapshot(to: file) == 3)
        let target = try ClusterStore(directory: folder.path + "/two", logger: logger)
        _ = try target.apply([command(1, .putService(service("9", "old"), expected: 0))])
        try target.install(snapshot: file, index: 3)
        #expect(target.state.services.values.map(\.spec.name) == ["a"])
        let again = try ClusterStore(directory: folder.path + "/two", logger: logger)
        #expect(again.appliedIndex == 3)
        #expect(again.state.services.values.map(\.spec.name) == ["a"])
    }

    @Test("Configs and secrets are there after a start, by name too, and in another manager's state")
    func payloads() throws {
        let folder = try TemporaryDirectory()
        let logger = Logger(label: "test")
        var spec = PayloadSpec(name: "site.conf", labels: ["tier": "web"])
        spec.templating = ["Name": "golang"]
        let config = ConfigObject(id: "1", createdAt: .epoch, spec: spec, data: "ZGF0YQ==")
        let sealed = SealedValue(keyID: "k", box: "Ym94")
        func secret(_ id: String, _ name: String) -> SecretObject {
            SecretObject(id: id, createdAt: .epoch, spec: PayloadSpec(name: name), data: sealed)
        }
        let file = folder.path + "/snapshot"
        do {
            let store = try ClusterStore(directory: folder.path + "/one", logger: logger)
            _ = try store.apply([
                command(1, .putConfig(config, expected: 0), .putSecret(secret("2", "key"), expected: 0)),
                command(2, .putSecret(secret("3", "other"), expected: 0)), command(3, .removeSecret("3", expected: 2)),
            ])
            #expect(try store.writeSnapshot(to: file) == 3)
        }
        let other = try ClusterStore(directory: folder.path + "/two", logger: logger)
        try other.install(snapshot: file, index: 3)
        for store in [try ClusterStore(directory: folder.path + "/one", logger: logger), other] {
            let state = store.state
            #expect(state.configs.named("site.conf")?.data == "ZGF0YQ==")
            #expect(state.configs["1"]?.spec == spec && state.configs.count == 1)
            #expect(state.secrets.named("key")?.data == sealed && state.secrets.count == 1)
            #expect(state.secrets.named("other") == nil)
            let again = try store.apply([command(4, .putSecret(secret("4", "key"), expected: 0))])
            #expect(try again.map(outcome) == [.alreadyExists(kind: .secret, name: "key")])
        }
    }

    @Test("A command that this version does not know stops the manager")
    func unknownCommands() throws {
        let folder = try TemporaryDirectory()
        let store = try ClusterStore(directory: folder.path, logger: Logger(label: "test"))
        let strange = CommittedCommand(index: 1, term: 1, bytes: Array("{\"mutations\":[{\"putPlanet\":{}}]}".utf8))
        #expect(throws: ClusterStoreError.self) { try store.apply([strange]) }
        #expect(store.appliedIndex == 0)
    }

    @Test func watchersLearnWhatChanged() async throws {
        let folder = try TemporaryDirectory()
        let store = try ClusterStore(directory: folder.path, logger: Logger(label: "test"))
        let watch = store.watch([.service])
        _ = try store.apply([command(1, .putService(service("1", "a"), expected: 0))])
        _ = try store.apply([command(2, .removeService("1", expected: nil))])
        var changes: [RevisedChange] = []
        while changes.count < 2, let deliveries = await watch.next() {
            for case .changes(let more, _) in deliveries.map(\.update) { changes += more }
        }
        #expect(changes.map(\.change.action) == [.create, .remove] && changes.map(\.revision) == [1, 2])
        #expect(changes.map { $0.change.before?.name } == [nil, "a"])
        #expect(changes.map { $0.change.after?.name } == ["a", nil])
        watch.wake()
        #expect(await watch.next() == [])
        watch.finish()
        #expect(await watch.next() == nil)
    }

    @Test("A watcher goes on at another manager where it stood; where that cannot tell, it says so")
    func watchesFromARevision() async throws {
        let folder = try TemporaryDirectory()
        let logger = Logger(label: "test")
        let one = try ClusterStore(directory: folder.path + "/one", logger: logger)
        let commands = try (1...5 as ClosedRange<UInt64>).map {
            try command($0, .putService(service("\($0)", "\($0)"), expected: 0))
        }
        _ = try one.apply(Array(commands[..<3]))
        let position = one.state.position
        let two = try ClusterStore(directory: folder.path + "/two", logger: logger)
        let watch = two.watch()
        watch.follow(.kinds([.service]), from: position)
        // It is behind the one that the watcher comes from.
        _ = try two.apply(Array(commands[..<2]))
        _ = try two.apply(Array(commands[2...]))
        guard case .changes(let changes, 5) = await watch.next()?.first?.update else {
            return #expect(Bool(false), "no changes")
        }
        #expect(changes.map(\.revision) == [4, 5])
        watch.finish()
        // After a start it holds nothing of before.
        two.close()
        let again = try ClusterStore(directory: folder.path + "/two", logger: logger)
        let late = again.watch()
        late.follow(.kinds([.service]), from: position)
        #expect(await late.next()?.map(\.update) == [.resynchronise(again.state.position)])
        // A state that is replaced is news for those that are there.
        let file = folder.path + "/snapshot"
        _ = try one.apply(
            try (4...9 as ClosedRange<UInt64>).map {
                try command($0, .putService(service("\($0)", "\($0)"), expected: 0))
            })
        _ = try one.writeSnapshot(to: file)
        try again.install(snapshot: file, index: 9)
        #expect(await late.next()?.map(\.update) == [.resynchronise(one.state.position)])
        again.close()
        #expect(await late.next() == nil, "a store that is closed ends its watches")
    }
}
