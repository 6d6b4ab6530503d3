import ClusterHistory
import ClusterModel
import SQLite
import Testing
import Values

@testable import ClusterStore

/// The file follows the state in memory.
@Suite struct StateWriterTests {
    private let disk = SimulatedDisk(seed: 1)

    private func writer() throws -> StateWriter {
        try StateWriter(StateDatabase(path: "/state", on: disk), path: "/state", index: 0)
    }

    /// A state with one config whose labels change at every index, and what the last change was.
    private func news(_ state: inout ClusterState, at index: UInt64, label: String) throws -> AppliedCommands {
        let config = ConfigObject(
            id: "1", createdAt: .epoch, spec: PayloadSpec(name: "a", labels: ["l": label]), data: "")
        var news = AppliedCommands(state: state)
        let transaction = Transaction(time: .epoch, id: "t\(index)", mutations: [.putConfig(config, expected: nil)])
        try news.add(transaction, at: index)
        state = news.state
        return news
    }

    /// One that has written one change and has no room for the second.
    private func writerWithoutRoom(_ state: inout ClusterState) throws -> StateWriter {
        let writer = try writer()
        try writer.add(news(&state, at: 1, label: "1"))
        try writer.catchUp()
        disk.capacityBytes = disk.usedBytes
        try writer.add(news(&state, at: 2, label: String(repeating: "x", count: 100_000)))
        return writer
    }

    private func stored() throws -> ClusterState {
        try StateDatabase(path: "/state", on: disk).loadState()
    }

    @Test func whatChangesOftenIsWrittenOnceAndItsHistoryWhole() throws {
        var backlog = StateBacklog()
        var state = ClusterState()
        for index in UInt64(1)...3 { backlog.add(try news(&state, at: index, label: "\(index)")) }
        #expect(backlog.keys == [ObjectReference(kind: .config, id: "1")])
        #expect(backlog.records.map(\.revision) == [1, 2, 3])
        #expect(backlog.transactions.map(\.id) == ["t1", "t2", "t3"])
        // What could not be written comes before what came meanwhile.
        var taken = StateBacklog()
        let first = backlog.take()
        #expect(backlog.isEmpty)
        taken.add(try news(&state, at: 4, label: "4"))
        taken.putBack(first)
        #expect(taken.records.map(\.revision) == [1, 2, 3, 4] && taken.state?.index == 4)
    }

    @Test func theFileHasWhatWasAddedBefore() throws {
        let writer = try writer()
        var state = ClusterState()
        for index in UInt64(1)...50 {
            try writer.add(news(&state, at: index, label: "\(index)"))
            if index % 10 == 0 {
                try writer.catchUp()
                let stored = try stored()
                #expect(stored.index == index && stored.configs["1"]?.spec.labels == ["l": "\(index)"])
                #expect(stored.recentTransactions.contains("t\(index)"))
            }
        }
        try writer.add(news(&state, at: 51, label: "last"))
        writer.close()
        #expect(try stored().index == 51, "what is left is written at the end")
    }

    @Test func aFullDiskIsWaitedForAndNothingIsLost() throws {
        var state = ClusterState()
        let writer = try writerWithoutRoom(&state)
        let full = #expect(throws: DatabaseError.self) { try writer.catchUp() }
        #expect(full?.isFull == true)
        #expect(throws: DatabaseError.self) { try writer.check() }
        let before = state
        #expect(throws: DatabaseError.self) { try writer.add(news(&state, at: 3, label: "3")) }
        state = before
        disk.capacityBytes = nil
        let deadline = ContinuousClock.now + .seconds(20)
        while (try? writer.check()) == nil, ContinuousClock.now < deadline { try? writer.catchUp() }
        try writer.add(news(&state, at: 3, label: "3"))
        try writer.catchUp()
        let stored = try stored()
        #expect(stored.index == 3 && stored.configs["1"]?.spec.labels == ["l": "3"])
        writer.close()
    }

    @Test func anotherFileTakesThePlaceOfOneThatHadNoRoom() throws {
        var state = ClusterState()
        let writer = try writerWithoutRoom(&state)
        #expect(throws: DatabaseError.self) { try writer.catchUp() }
        disk.capacityBytes = nil
        let old = writer.replace(by: try StateDatabase(path: "/other", on: disk), path: "/other", index: 2)
        #expect(old == "/state" && writer.path == "/other")
        try writer.add(news(&state, at: 3, label: "3"))
        try writer.catchUp()
        #expect(try StateDatabase(path: "/other", on: disk).loadState().index == 3)
        writer.close()
    }

    @Test func anErrorOfTheDiskIsForGood() throws {
        let writer = try writer()
        var state = ClusterState()
        disk.faults.series = [DiskFaults.Series(.write, suffix: "-wal")]
        try writer.add(news(&state, at: 1, label: "1"))
        #expect(throws: DatabaseError.self) { try writer.catchUp() }
        #expect(throws: DatabaseError.self) { try writer.add(news(&state, at: 2, label: "2")) }
        writer.close()
        #expect(try stored().index == 0)
    }

    @Test("Raft section 7: what was forgotten follows from the index alone, also after a start")
    func generations() throws {
        let length = RecentTransactions.generationLength
        let applied = [("a", 1), ("b", length - 1), ("c", length), ("d", 2 * length)]
        var state = ClusterState()
        let database = try StateDatabase(path: "/state", on: disk)
        for (id, index) in applied {
            var news = AppliedCommands(state: state)
            try news.add(Transaction(time: .epoch, id: id, mutations: [.removeTask("none")]), at: index)
            state = news.state
            var backlog = StateBacklog()
            backlog.add(news)
            try database.write(backlog, of: state)
            let stored = try stored()
            for (id, _) in applied {
                #expect(stored.recentTransactions.contains(id) == state.recentTransactions.contains(id), "\(id)")
            }
        }
        #expect(applied.map { state.recentTransactions.contains($0.0) } == [false, false, true, true])
    }
}
