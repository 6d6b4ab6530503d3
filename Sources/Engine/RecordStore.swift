import EngineModel
import Executors
import JSON
import LinuxSystem
import SQLite
import Values

/// The engine's records on disk: a table for each kind, with what is queried as columns and the record as JSON.
///
/// Writes that wait while another is on its way go to the disk together.
actor RecordStore {
    /// A change of one object.
    enum Change: Sendable {
        case container(ContainerRecord)
        case removeContainer(String)
        case network(NetworkRecord)
        case removeNetwork(String)
        case volume(VolumeRecord)
        case removeVolume(String)
    }

    /// All that is kept.
    struct Contents: Sendable {
        var engineID: String
        var containers: [ContainerRecord]
        var networks: [NetworkRecord]
        var volumes: [VolumeRecord]
    }

    private struct Pending {
        var changes: [Change]
        var isDurable: Bool
        var continuation: CheckedContinuation<Void, any Error>
    }

    private static var schema: Schema {
        Schema([Schema.Step(from: 0, to: 1) { try $0.executeScript(firstForm) }])
    }

    /// Also what files have, or lack, that were written before forms were numbered.
    private static let firstForm = """
        CREATE TABLE IF NOT EXISTS engine (id TEXT PRIMARY KEY);
        CREATE TABLE IF NOT EXISTS container (id TEXT PRIMARY KEY, name TEXT NOT NULL, status TEXT NOT NULL,
            image TEXT NOT NULL, task TEXT, record TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS network (id TEXT PRIMARY KEY, name TEXT NOT NULL, record TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS volume (name TEXT PRIMARY KEY, record TEXT NOT NULL);
        """

    private let executor = ThreadExecutor(name: "engine-records")
    private var database: Database?
    private var pending: [Pending] = []
    private var isDurable = true

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(path: String) throws {
        // An earlier life may have ended with a sync that failed.
        try Database.renewLog(of: path)
        let database = try Database(path: path, durability: .full)
        try Self.schema.prepare(database)
        self.database = database
    }

    func close() {
        flush()
        database = nil
    }

    func load() throws -> Contents {
        let database = try open()
        var id = try database.first("SELECT id FROM engine") { $0.text(0) }
        if id == nil {
            var generator = SystemRandomNumberGenerator()
            id = Identifiers.hex64(using: &generator)
            try database.execute("INSERT INTO engine VALUES (?)", id)
        }
        return Contents(
            engineID: id!, containers: try records("container"), networks: try records("network"),
            volumes: try records("volume"))
    }

    private func open() throws -> Database {
        guard let database else { throw EngineError(.unavailable, "the engine is shutting down") }
        return database
    }

    private func records<Record: Decodable>(_ table: String) throws -> [Record] {
        let texts = try open().query("SELECT record FROM \(table)") { Array($0.text(0).utf8) }
        return try texts.map { try JSONCoding.docker.decode(Record.self, from: $0) }
    }

    /// Writes the changes in one transaction. `isDurable` returns when they are on the disk; otherwise they survive the
    /// death of this process, not a loss of power.
    func write(_ changes: [Change], isDurable: Bool) async throws {
        try await withCheckedThrowingContinuation { continuation in
            pending.append(Pending(changes: changes, isDurable: isDurable, continuation: continuation))
            // The first of a batch writes for all that come before its turn.
            if pending.count == 1 { Task { self.flush() } }
        }
    }

    private func flush() {
        let batch = pending
        pending = []
        guard !batch.isEmpty else { return }
        let result = Result { try commit(batch) }
        for entry in batch { entry.continuation.resume(with: result) }
    }

    private func commit(_ batch: [Pending]) throws {
        let database = try open()
        let wanted = batch.contains { $0.isDurable }
        if wanted != isDurable {
            try database.setPragma("synchronous", wanted ? "FULL" : "NORMAL")
            isDurable = wanted
        }
        try database.transaction {
            for change in batch.flatMap(\.changes) { try apply(change, database) }
        }
    }

    private func apply(_ change: Change, _ database: Database) throws {
        func text(_ record: some Encodable) throws -> String {
            String(decoding: try JSONCoding.docker.encode(record), as: UTF8.self)
        }
        switch change {
        case .container(let record):
            try database.execute(
                "INSERT OR REPLACE INTO container VALUES (?, ?, ?, ?, ?, ?)", record.id, record.name,
                record.state.status.rawValue, record.imageID, record.taskID, try text(record))
        case .removeContainer(let id): try database.execute("DELETE FROM container WHERE id = ?", id)
        case .network(let record):
            try database.execute(
                "INSERT OR REPLACE INTO network VALUES (?, ?, ?)", record.id, record.name, try text(record))
        case .removeNetwork(let id): try database.execute("DELETE FROM network WHERE id = ?", id)
        case .volume(let record):
            try database.execute("INSERT OR REPLACE INTO volume VALUES (?, ?)", record.name, try text(record))
        case .removeVolume(let name): try database.execute("DELETE FROM volume WHERE name = ?", name)
        }
    }
}
