import ClusterHistory
import ClusterModel
import ClusterStore
import JSON
import Logging
import RaftNode
import SQLite
import TestSupport
import Testing
import Values

@testable import ClusterStore

@Suite struct HistoryTests {
    private static let logger = Logger(label: "test")

    private static func service(_ id: String, _ name: String, image: String) -> ServiceObject {
        ServiceObject(
            id: id, createdAt: .epoch,
            spec: ServiceSpec(name: name, taskTemplate: TaskTemplate(containerSpec: ContainerSpec(image: image))),
            document: ["Name": .string(name), "Image": .string(image)], endpoint: ServiceEndpoint())
    }

    private static func command(
        _ index: UInt64, by author: Author? = .orchestrator, _ mutations: Mutation...
    ) throws -> CommittedCommand {
        let transaction = Transaction(
            time: Timestamp(secondsSinceEpoch: Int64(index)), author: author, note: "n\(index)", mutations: mutations)
        return CommittedCommand(index: index, term: 1, bytes: try JSONCoding.encode(transaction))
    }

    private static let node = Author.node(id: "node", client: "local socket")

    private func filter(_ body: (inout HistoryFilter) -> Void) -> HistoryFilter {
        var filter = HistoryFilter()
        body(&filter)
        return filter
    }

    @Test("The history is found by time, author and object, newest first, and outlives a start")
    func filters() throws {
        let folder = try TemporaryDirectory()
        do {
            let store = try ClusterStore(directory: folder.path, logger: Self.logger)
            _ = try store.apply([
                Self.command(3, by: Self.node, .putService(Self.service("11", "web", image: "a"), expected: 0)),
                Self.command(5, .putService(Self.service("22", "db", image: "a"), expected: 0)),
                Self.command(6, by: nil, .putService(Self.service("11", "web", image: "b"), expected: 3)),
                Self.command(7, by: Self.node, .removeService("22", expected: nil)),
            ])
        }
        let store = try ClusterStore(directory: folder.path, logger: Self.logger)
        let all = try store.history(HistoryFilter())
        #expect(all.map(\.revision) == [7, 6, 5, 3])
        #expect(all.map(\.change) == [.removed, .updated, .created, .created])
        #expect(all.map(\.author) == [Self.node, nil, .orchestrator, Self.node])
        #expect(all.map(\.time) == [7, 6, 5, 3].map { Timestamp(secondsSinceEpoch: $0) })
        #expect(all.map(\.note) == ["n7", "n6", "n5", "n3"])
        #expect(all.map { $0.specification?["Image"] } == [nil, "b", "a", "a"])
        func revisions(_ body: (inout HistoryFilter) -> Void) throws -> [UInt64] {
            try store.history(filter(body)).map(\.revision)
        }
        #expect(try revisions { $0.since = Timestamp(secondsSinceEpoch: 6) } == [7, 6])
        #expect(try revisions { $0.until = Timestamp(secondsSinceEpoch: 5) } == [5, 3])
        #expect(try revisions { $0.authors = ["node"] } == [7, 3])
        #expect(try revisions { $0.authors = ["orchestrator", "x"] } == [5])
        #expect(try revisions { $0.authors = [] } == [])
        #expect(try revisions { $0.object = "web" } == [6, 3])
        #expect(try revisions { $0.object = "2" } == [7, 5], "an identifier's beginning")
        #expect(try revisions { $0.object = "we" } == [], "but not a name's")
        #expect(try revisions { $0.kind = .network } == [])
        #expect(try revisions { $0.before = 6 } == [5, 3])
        #expect(try revisions { $0.limit = 2 } == [7, 6])
        #expect(try revisions { $0.object = "' OR 1 = 1 --" } == [])
        let changes = try store.changes(at: 6)
        #expect(changes.map(\.before) == [["Name": "web", "Image": "a"]])
        #expect(try store.changes(at: 4).isEmpty)
        #expect(try store.specifications(at: 5).count == 2)
        #expect(try store.specifications(at: 4).values.map { $0.specification?["Image"] } == ["a"])
        #expect(try store.specifications(at: 7).values.map { $0.specification?["Image"] } == ["b"])
        #expect(try store.tellableRevisions() == 0...7)
    }

    @Test("What is replayed after a loss of power is there once, and what was lost is there again")
    func replay() throws {
        let folder = try TemporaryDirectory()
        let commands = [
            try Self.command(1, .putService(Self.service("1", "a", image: "x"), expected: 0)),
            try Self.command(2, .putService(Self.service("1", "a", image: "y"), expected: 1)),
            try Self.command(3, .removeService("1", expected: nil)),
        ]
        let copy = folder.path + "/copy"
        do {
            let store = try ClusterStore(directory: folder.path + "/one", logger: Self.logger)
            _ = try store.apply(Array(commands[..<2]))
            // What the file holds when the last commits are lost.
            #expect(try store.writeSnapshot(to: copy) == 2)
            _ = try store.apply([commands[2]])
        }
        let behind = try ClusterStore(directory: folder.path + "/two", logger: Self.logger)
        try behind.install(snapshot: copy, index: 2)
        _ = try behind.apply([commands[2]])
        let whole = try ClusterStore(directory: folder.path + "/one", logger: Self.logger)
        #expect(try behind.history(HistoryFilter()) == whole.history(HistoryFilter()))
        #expect(try behind.history(HistoryFilter()).map(\.revision) == [3, 2, 1])
    }

    @Test("A snapshot carries the history")
    func snapshots() throws {
        let folder = try TemporaryDirectory()
        let source = try ClusterStore(directory: folder.path + "/one", logger: Self.logger)
        _ = try source.apply([
            Self.command(1, .putService(Self.service("1", "a", image: "x"), expected: 0)),
            Self.command(2, .removeService("1", expected: nil)),
        ])
        let file = folder.path + "/snapshot"
        _ = try source.writeSnapshot(to: file)
        let target = try ClusterStore(directory: folder.path + "/two", logger: Self.logger)
        try target.install(snapshot: file, index: 2)
        #expect(try target.history(HistoryFilter()) == source.history(HistoryFilter()))
    }

    @Test("The history of a state that is older than it begins where it was found")
    func beginning() throws {
        let folder = try TemporaryDirectory()
        do {
            let store = try ClusterStore(directory: folder.path, logger: Self.logger)
            _ = try store.apply([
                Self.command(4, .putService(Self.service("1", "a", image: "x"), expected: 0)),
                Self.command(9, .removeTask("none")),
            ])
        }
        do {
            let database = try Database(path: folder.path + "/state-0.sqlite")
            try database.executeScript(
                """
                DROP TABLE history; DROP TABLE horizon; ALTER TABLE applied DROP COLUMN version;
                PRAGMA user_version = 0
                """)
        }
        let store = try ClusterStore(directory: folder.path, logger: Self.logger)
        #expect(try store.tellableRevisions() == 9...9)
        #expect(try store.history(HistoryFilter()).isEmpty)
        #expect(try store.specifications(at: 9).values.map(\.name) == ["a"])
        _ = try store.apply([Self.command(10, .putService(Self.service("1", "a", image: "y"), expected: 4))])
        #expect(try store.changes(at: 10).map { $0.before?["Image"] } == ["x"])
    }

    // MARK: Pruning

    /// Services that come, change and go at random; returns the transactions.
    private func transactions(count: UInt64, seed: UInt64) throws -> [CommittedCommand] {
        var generator = SplitMix64(seed: seed)
        var versions: [String: UInt64] = [:]
        return try (1...count).map { index in
            let id = "s\(UInt8.random(in: 0..<6, using: &generator))"
            guard let version = versions[id] else {
                versions[id] = index
                return try Self.command(index, .putService(Self.service(id, id, image: "\(index)"), expected: 0))
            }
            if Bool.random(using: &generator) {
                versions[id] = nil
                return try Self.command(index, .removeService(id, expected: version))
            }
            versions[id] = index
            return try Self.command(index, .putService(Self.service(id, id, image: "\(index)"), expected: version))
        }
    }

    /// Feeds records to a table in batches, as a store would.
    private func feed(
        _ commands: [CommittedCommand], limits: HistoryLimits, batch: Int
    ) throws -> (table: HistoryTable, states: [UInt64: ClusterState]) {
        let database = try Database(path: ":memory:")
        try database.executeScript(HistoryTable.firstForm)
        try database.executeScript("CREATE TABLE applied (idx INTEGER)")
        let table = HistoryTable(database: database, limits: limits)
        var state = ClusterState()
        var states: [UInt64: ClusterState] = [:]
        try table.begin(with: state)
        var records: [HistoryRecord] = []
        for (offset, command) in commands.enumerated() {
            let transaction = try JSONCoding.decode(Transaction.self, from: command.bytes)
            let before = EarlierSpecifications(of: transaction, in: state)
            let changes = try state.apply(transaction, at: command.index)
            records += HistoryRecord.records(of: transaction, changes: changes, from: before, to: state)
            states[command.index] = state
            if (offset + 1).isMultiple(of: batch) || offset == commands.count - 1 {
                try database.transaction { try table.add(records) }
                records = []
            }
        }
        return (table, states)
    }

    private func rows(_ table: HistoryTable) throws -> [[StoredValue]] {
        try table.database.query("SELECT revision, kind, id, change, specification FROM history ORDER BY 1, 2, 3") {
            row in (0..<5).map { row.value($0) }
        }
            + table.database.query("SELECT revision, records, bytes FROM horizon") { row in
                (0..<3).map { row.value($0) }
            }
    }

    @Test("However entries are grouped, the same is forgotten, and what is left tells every later revision")
    func pruning() throws {
        for seed in 0..<3 as Range<UInt64> {
            let commands = try transactions(count: 60, seed: seed)
            for limits in [
                HistoryLimits(recordCount: 20, specificationBytes: 1 << 20),
                HistoryLimits(recordCount: 1000, specificationBytes: 500),
                HistoryLimits(recordCount: 0, specificationBytes: 0),
            ] {
                let (table, states) = try feed(commands, limits: limits, batch: 1)
                for batch in [7, 60] {
                    let other = try feed(commands, limits: limits, batch: batch).table
                    #expect(try rows(other) == rows(table))
                }
                let horizon = try #require(try table.horizon())
                let after = try table.records(HistoryFilter(limit: HistoryFilter.largestLimit))
                #expect(after.count <= limits.recordCount)
                #expect(
                    after.reduce(0) { $0 + ($1.specification?.serialized().count ?? 0) } <= limits.specificationBytes)
                if limits.recordCount == 20 { #expect(after.count == 20 && horizon == 40) }
                for revision in horizon...60 where revision > 0 {
                    let told = try table.specifications(at: revision).mapValues(\.specification)
                    let expected = states[revision]!.services.values.reduce(into: [:]) {
                        $0[ObjectReference(kind: .service, id: $1.id)] = $1.document as JSONValue?
                    }
                    #expect(told == expected, "seed \(seed), revision \(revision)")
                }
                #expect(try rows(table).count <= limits.recordCount + 6 + 1, "objects and records, no more")
            }
        }
    }
}
