import ClusterHistory
import ClusterModel
import DatabaseCipher
import JSON
import LinuxSystem
import Logging
import RaftNode
import SQLite
import TestSupport
import Testing
import Values

@testable import ClusterStore

/// What a manager does with what was written for, or by, another version of its program.
@Suite struct VersionTests {
    private static let logger = Logger(label: "test")
    /// A program that knows nothing but the first version.
    private static let old = SupportedVersions.unstated
    private static let later = ClusterVersion(ClusterVersion.newest.number + 1)

    private let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory("versions") }

    private func store(_ supported: SupportedVersions = .own, _ name: String = "one") throws -> ClusterStore {
        try ClusterStore(directory: folder.path(name), supported: supported, logger: Self.logger)
    }

    private func command(
        _ index: UInt64, needs: ClusterVersion? = nil, _ mutations: Mutation...
    ) throws -> CommittedCommand {
        var transaction = Transaction(time: Timestamp(secondsSinceEpoch: Int64(index)), mutations: mutations)
        transaction.needs = needs ?? transaction.needs
        return CommittedCommand(index: index, term: 1, bytes: try JSONCoding.encode(transaction))
    }

    private func config(_ name: String) -> Mutation {
        .putConfig(
            ConfigObject(id: "id-\(name)", createdAt: .epoch, spec: PayloadSpec(name: name), data: ""), expected: 0)
    }

    private func failure(_ body: () throws -> Void) -> ClusterStoreError? {
        do {
            try body()
            return nil
        } catch {
            return error as? ClusterStoreError
        }
    }

    // MARK: The log

    @Test("An entry for newer managers stops an old one, which says what to do and loses nothing")
    func newerEntries() throws {
        let before = try command(1, config("a"))
        let rise = try command(2, .raiseVersion(to: .stated))
        let after = try command(3, config("b"))
        do {
            let store = try store(Self.old)
            _ = try store.apply([before])
            let refusal = failure { _ = try store.apply([rise, after]) }
            guard case .unknownCommand(2, .stated, Self.old, _)? = refusal else {
                Issue.record("\(String(describing: refusal))")
                return
            }
            let text = refusal?.description ?? ""
            #expect(text.contains("needs cluster version 2") && text.contains("supports 1"))
            #expect(text.contains("install the version of martletd that the other managers run"))
            #expect(store.appliedIndex == 1 && store.state.configs.count == 1)
        }
        // The program that knows it goes on from there, and the state remembers its version.
        do {
            let store = try store()
            #expect(store.appliedIndex == 1)
            _ = try store.apply([rise, after])
            #expect(store.state.version == .stated && store.state.configs.count == 2)
        }
        #expect(try store().state.version == .stated)
    }

    @Test(
        "What no version of this program wrote is never passed over: it would make the state another one",
        arguments: [
            #"{"mutations":[],"time":"1970-01-01T00:00:00Z","origin":"x"}"#,
            #"{"mutations":[{"removeTask":{"_0":"t","because":"x"}}],"time":"1970-01-01T00:00:00Z"}"#,
            #"{"mutations":[{"paintTask":{"_0":"t"}}],"time":"1970-01-01T00:00:00Z"}"#,
            #"{"mutations":[{"putConfig":{"_0":CONFIG}}],"time":"1970-01-01T00:00:00Z"}"#,
        ])
    func unknownMembers(text: String) throws {
        let config =
            #"{"createdAt":"1970-01-01T00:00:00Z","data":"","id":"1","shelf":7,"spec":{"labels":{},"name":"a"},"#
            + #""updatedAt":"1970-01-01T00:00:00Z","version":{"index":0}}"#
        for needs in ["", #""needs":2,"#, #""needs":\#(Self.later),"#] {
            let json = text.replacing("CONFIG", with: config).replacing(#""time""#, with: needs + #""time""#)
            let store = try store(.own, "store\(needs.utf8.count)")
            let command = CommittedCommand(index: 1, term: 1, bytes: Array(json.utf8))
            guard case .unknownCommand(1, let stated, .own, _)? = failure({ _ = try store.apply([command]) }) else {
                Issue.record("\(json) was applied")
                continue
            }
            #expect(stated?.number == Int(needs.dropFirst(8).dropLast()), "\(needs)")
            #expect(store.appliedIndex == 0)
        }
        let known = json(config.replacing(#""shelf":7,"#, with: ""))
        #expect(failure { _ = try store().apply([known]) } == nil, "the same without it")
    }

    private func json(_ config: String) -> CommittedCommand {
        let text = #"{"mutations":[{"putConfig":{"_0":\#(config)}}],"time":"1970-01-01T00:00:00Z"}"#
        return CommittedCommand(index: 1, term: 1, bytes: Array(text.utf8))
    }

    @Test("Entries of the first versions, with members that nobody reads any more, are applied")
    func oldEntries() throws {
        let text = #"{"author":"h1","mutations":[{"removeTask":{"_0":"t"}}],"time":"1970-01-01T00:00:00Z"}"#
        _ = try store().apply([CommittedCommand(index: 1, term: 1, bytes: Array(text.utf8))])
    }

    // MARK: States of other versions

    @Test("A state of a newer cluster is not opened, installed or restored by an old program")
    func newerStates() throws {
        let file = folder.path("snapshot")
        do {
            let store = try store()
            _ = try store.apply([command(1, .raiseVersion(to: .stated)), command(2, config("a"))])
            _ = try store.writeSnapshot(to: file)
        }
        let refusal = ClusterStoreError.unsupportedVersion(.stated, supported: Self.old)
        #expect(refusal.description.contains("install the version of martletd that the cluster's managers run"))
        #expect(throws: refusal) { try store(Self.old) }
        let other = try store(Self.old, "two")
        _ = try other.apply([command(1, config("old"))])
        #expect(throws: refusal) { try other.install(snapshot: file, index: 2) }
        #expect(other.state.configs.named("old") != nil, "what it had is as it was")
        #expect(try Files.list(folder.path("two")).filter { $0.hasSuffix(".sqlite") } == ["state-0.sqlite"])
        #expect(throws: refusal) { try ClusterStore.checkedMark(ofCopy: file, supported: Self.old) }
        #expect(try ClusterStore.checkedMark(ofCopy: file).version == .stated)
        #expect(try store().mark(ofCopy: file).version == .stated)
        #expect(try store().state.configs.count == 1)
    }

    @Test("A state of an older cluster than a program supports is not opened either")
    func olderStates() throws {
        do { _ = try store().apply([command(1, config("a"))]) }
        let newer = try #require(SupportedVersions(lowest: .stated, highest: Self.later))
        let refusal = failure { _ = try store(newer) }
        #expect(refusal == .unsupportedVersion(.first, supported: newer))
        #expect(refusal?.description.contains("between the one that ran here and this one") == true)
    }

    @Test("A file in a newer form is refused and left as it is")
    func newerForms() throws {
        do { _ = try store().apply([command(1, config("a"))]) }
        let path = folder.path("one/state-0.sqlite")
        func setForm(_ form: Int64) throws { try Database(path: path).setPragma("user_version", "\(form)") }
        let known = StateDatabase.schema.version
        try setForm(known + 1)
        let refusal = ClusterStoreError.newerFile(
            SchemaError(path: path, found: known + 1, known: known).description)
        #expect(throws: refusal) { try store() }
        #expect(throws: refusal) { try ClusterStore.checkedMark(ofCopy: path) }
        #expect(throws: SchemaError.self) { try store(.own, "two").install(snapshot: path, index: 1) }
        try setForm(known)
        #expect(try store().state.configs.count == 1)
    }

    // MARK: Files of earlier forms

    /// The state's file as the first versions made it, with one service.
    private static let oldest = """
        CREATE TABLE applied (one INTEGER PRIMARY KEY CHECK (one = 1), idx INTEGER NOT NULL, time INTEGER NOT NULL);
        CREATE TABLE cluster (id TEXT PRIMARY KEY, body TEXT NOT NULL);
        CREATE TABLE node (id TEXT PRIMARY KEY, hostname TEXT NOT NULL, role TEXT NOT NULL,
            availability TEXT NOT NULL, state TEXT NOT NULL, body TEXT NOT NULL);
        CREATE TABLE service (id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL);
        CREATE TABLE task (id TEXT PRIMARY KEY, service TEXT NOT NULL, slot INTEGER NOT NULL,
            node TEXT NOT NULL, state TEXT NOT NULL, desired TEXT NOT NULL, body TEXT NOT NULL);
        CREATE TABLE network (id TEXT PRIMARY KEY, name TEXT NOT NULL, subnet TEXT NOT NULL, body TEXT NOT NULL);
        CREATE TABLE attachment (id TEXT PRIMARY KEY, network TEXT NOT NULL, node TEXT NOT NULL, body TEXT NOT NULL);
        INSERT INTO applied VALUES (1, 7, 5000000000);
        INSERT INTO service VALUES ('s', 'web', 7, '{"createdAt":"1970-01-01T00:00:00Z","document":{"Name":"web"},
            "endpoint":{"ports":[],"spec":{"mode":"vip"},"virtualIPs":[]},"id":"s","latestSpecVersion":1,
            "previousSpecVersion":0,"spec":{"labels":{},"name":"web","taskTemplate":{"forceUpdate":0}},"specVersion":1,
            "updatedAt":"1970-01-01T00:00:00Z","version":{"index":7}}');
        """
    /// What came later, before forms were numbered: the history, configs, secrets, and known transactions.
    private static let unnumbered = """
        CREATE TABLE recent (idx INTEGER PRIMARY KEY, id TEXT NOT NULL);
        CREATE TABLE config (id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL);
        CREATE TABLE secret (id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL);
        CREATE TABLE history (revision INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
            name TEXT NOT NULL, change TEXT NOT NULL, author TEXT, client TEXT, note TEXT, time INTEGER NOT NULL,
            specification TEXT, PRIMARY KEY (revision, kind, id)) WITHOUT ROWID;
        CREATE INDEX history_of_object ON history (kind, id, revision);
        CREATE TABLE horizon (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL,
            records INTEGER NOT NULL, bytes INTEGER NOT NULL);
        INSERT INTO recent VALUES (6, 'request');
        INSERT INTO history VALUES (7, 'service', 's', 'web', 'created', 'n', NULL, 'a note', 5000000000,
            '{"Name":"web"}');
        INSERT INTO horizon VALUES (1, 3, 1, 14);
        """

    private func expectWhole(_ state: ClusterState) {
        #expect(state.index == 7 && state.time == Timestamp(secondsSinceEpoch: 5))
        #expect(state.version == .first)
        #expect(state.services["s"]?.spec.name == "web")
    }

    @Test(
        "A file of every earlier form is brought to the present one with all that it holds", arguments: [false, true])
    func earlierForms(hasHistory: Bool) throws {
        try Files.makeDirectories(folder.path("one"))
        let path = folder.path("one/state-0.sqlite")
        do {
            let database = try Database(path: path)
            try database.executeScript(Self.oldest + (hasHistory ? Self.unnumbered : ""))
        }
        // A backup or a snapshot of then.
        let copy = folder.path("copy")
        try Database(path: path, access: .readOnly).vacuum(into: copy)
        do {
            let target = try store(.own, "two")
            try target.install(snapshot: copy, index: 7)
            expectWhole(target.state)
        }
        let mark = try ClusterStore.checkedMark(ofCopy: copy)
        #expect(mark.index == 7 && mark.version == .first)
        do {
            let store = try store()
            expectWhole(store.state)
            #expect(try store.tellableRevisions() == (hasHistory ? 3 : 7)...7)
            #expect(try store.history(HistoryFilter()).map(\.note) == (hasHistory ? ["a note"] : []))
            #expect(store.state.recentTransactions.contains("request") == hasHistory)
            _ = try store.apply([command(8, .raiseVersion(to: .stated)), command(9, config("a"))])
        }
        let again = try store()
        #expect(again.state.index == 9 && again.state.version == .stated && again.state.configs.count == 1)
        #expect(try Database(path: path, access: .readOnly).pragma("user_version") == .integer(2))
    }

    private static func sealedDisk() throws -> SealedDisk {
        var keys = DatabaseKeys()
        keys.add()
        return SealedDisk(try #require(keys.cipher(for: .state)))
    }

    @Test(
        "A snapshot has a form that every manager of the cluster knows, whatever its own file has",
        arguments: [false, true])
    func formsOfSnapshots(isSealed: Bool) throws {
        let disk = isSealed ? try Self.sealedDisk() : nil
        func store(_ name: String) throws -> ClusterStore {
            try ClusterStore(directory: folder.path(name), on: disk, logger: Self.logger)
        }
        let file = folder.path("snapshot")
        let source = try store("one")
        _ = try source.apply([command(1, config("a"))])
        #expect(try source.writeSnapshot(to: file) == 1)
        #expect(try Files.list(folder.path).sorted() == ["one", "snapshot"], "nothing lies beside it")
        do {
            let copy = try Database(path: file, access: .readOnly, on: disk)
            #expect(try copy.pragma("user_version") == .integer(1))
            #expect(try copy.pragma("journal_mode") == .text("delete"))
            // What programs do that know no forms.
            try copy.vacuum(into: folder.path("installed"))
            let installed = try Database(path: folder.path("installed"), on: disk)
            try installed.execute("INSERT OR REPLACE INTO applied VALUES (1, ?, ?)", UInt64(2), Int64(0))
        }
        let target = try store("two")
        try target.install(snapshot: file, index: 1)
        #expect(target.state.configs.count == 1 && target.state.version == .first)
        // Nobody who does not know it is left.
        _ = try target.apply([command(2, .raiseVersion(to: .stated))])
        try Files.removeTree(file)
        #expect(try target.writeSnapshot(to: file) == 2)
        #expect(try Database(path: file, access: .readOnly, on: disk).pragma("user_version") == .integer(2))
        #expect(try ClusterStore.checkedMark(ofCopy: file, on: disk).version == .stated)
        try source.install(snapshot: file, index: 2)
        #expect(source.state.version == .stated)
    }

    @Test("A file of an earlier form is brought forward on a sealed disk, too")
    func earlierFormsAreSealed() throws {
        let disk = try Self.sealedDisk()
        // Of a program that did not seal, and a snapshot of one that did not number forms.
        try Files.makeDirectories(folder.path("one"))
        try Database(path: folder.path("one/state-0.sqlite")).executeScript(Self.oldest + Self.unnumbered)
        let file = folder.path("snapshot")
        try Database(path: file, on: disk).executeScript(Self.oldest + Self.unnumbered)
        let store = try ClusterStore(directory: folder.path("one"), on: disk, logger: Self.logger)
        expectWhole(store.state)
        let other = try ClusterStore(directory: folder.path("two"), on: disk, logger: Self.logger)
        try other.install(snapshot: file, index: 7)
        expectWhole(other.state)
        for directory in ["one", "two"] {
            for name in try Files.list(folder.path(directory)) where name.hasSuffix(".sqlite") {
                let database = try Database(path: folder.path("\(directory)/\(name)"), access: .readOnly, on: disk)
                #expect(try database.pragma("user_version") == .integer(StateDatabase.schema.version))
            }
        }
    }

    @Test("A loss of power at any write leaves a file of the earlier form or of the present one, whole")
    func powerLoss() throws {
        var interrupted = 0
        for operations in 0..<200 {
            let disk = SimulatedDisk(seed: UInt64(operations))
            let path = "/state.sqlite"
            try Database(path: path, on: disk).executeScript(Self.oldest + Self.unnumbered)
            disk.losePower(afterOperations: operations)
            let isDone = (try? StateDatabase(path: path, on: disk)) != nil
            disk.losePower()
            disk.restorePower()
            let form = try Database(path: path, on: disk).pragma("user_version")
            #expect([.integer(0), .integer(2)].contains(form), "after \(operations) operations")
            expectWhole(try StateDatabase(path: path, on: disk).load())
            if isDone { break }
            interrupted += 1
        }
        #expect((3..<199).contains(interrupted), "\(interrupted)")
    }
}
