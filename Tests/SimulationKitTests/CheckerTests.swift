import ClusterModel
import RaftCore
import Testing
import Values

@testable import SimulationKit

/// The checkers see what they are there for: each is given a history that breaks its promise.
@Suite struct CheckerTests {
    private static func view(_ values: [UInt64]) -> ListStore.View {
        values.reduce(into: ListStore.View()) { $0.add($1) }
    }

    private static func history(_ calls: [History.Call]) -> History {
        var history = History()
        for call in calls {
            let place = history.begin(call)
            if let end = call.end { history.finish(place, at: end, seeing: call.view) }
        }
        return history
    }

    private static func append(_ value: UInt64, _ begin: Milliseconds, _ end: Milliseconds?) -> History.Call {
        History.Call(client: 1, key: 0, kind: .append(value: value), begin: begin, end: end)
    }

    private static func read(_ values: [UInt64], _ begin: Milliseconds, _ end: Milliseconds) -> History.Call {
        History.Call(client: 2, key: 0, kind: .read, begin: begin, end: end, view: view(values))
    }

    private static func promises(_ calls: [History.Call], _ list: [UInt64]) -> [Violation.Promise] {
        history(calls).violations(given: [0: list]).map(\.promise)
    }

    @Test func whatCouldHaveBeenIsFine() {
        let calls = [
            Self.append(1, 0, 10), Self.append(2, 5, 30), Self.read([1], 6, 40), Self.read([1, 2], 35, 50),
            // Nobody knows whether it happened: it may, and later than others.
            Self.append(3, 20, nil), Self.append(4, 60, 70), Self.append(5, 20, nil),
        ]
        #expect(Self.promises(calls, [1, 2, 4, 3]) == [])
    }

    @Test func anAcknowledgedAppendIsThere() {
        #expect(Self.promises([Self.append(1, 0, 10), Self.append(2, 20, 30)], [2]) == [.durability])
    }

    @Test func anAppendIsThereOnce() { #expect(Self.promises([Self.append(1, 0, 10)], [1, 1]) == [.exactlyOnce]) }

    @Test func aReadSeesWhatWasAcknowledgedBefore() {
        #expect(Self.promises([Self.append(1, 0, 10), Self.read([], 11, 20)], [1]) == [.linearizability])
        #expect(Self.promises([Self.append(1, 0, 10), Self.read([], 10, 20)], [1]) == [])
    }

    @Test func aReadSeesNoLessThanAnEarlierOne() {
        let calls = [Self.append(1, 0, nil), Self.read([1], 5, 10), Self.read([], 11, 20)]
        #expect(Self.promises(calls, [1]) == [.linearizability])
    }

    @Test func anAppendIsNotBeforeAReadThatDidNotSeeIt() {
        let calls = [Self.append(1, 0, 10), Self.read([1], 20, 30), Self.append(2, 40, 50)]
        #expect(Self.promises(calls, [2, 1]) == [.linearizability])
    }

    @Test func laterAppendsAreLaterInTheList() {
        #expect(Self.promises([Self.append(1, 0, 10), Self.append(2, 20, 30)], [2, 1]) == [.linearizability])
    }

    @Test func aReadSeesNothingThatNeverWas() {
        #expect(Self.promises([Self.append(1, 0, 10), Self.read([9], 5, 20)], [1]) == [.linearizability])
    }

    // MARK: At every moment

    private static func entry(_ index: UInt64, _ term: UInt64, _ text: String = "") -> Entry {
        Entry(index: index, term: term, payload: .command(Array(text.utf8)))
    }

    private static func promises(_ body: (inout SafetyChecker) -> Void) -> [Violation.Promise] {
        var checker = SafetyChecker()
        body(&checker)
        return checker.violations.map(\.promise)
    }

    @Test func oneLeaderInATerm() {
        let promises = Self.promises {
            $0.sees(leader: 1, in: 3)
            $0.sees(leader: 1, in: 3)
            $0.sees(leader: 2, in: 4)
            $0.sees(leader: 2, in: 3)
        }
        #expect(promises == [.electionSafety])
    }

    @Test func entriesOfOneTermAreTheSame() {
        #expect(
            Self.promises {
                $0.sees(written: [Self.entry(2, 1, "a")], after: 1, by: 1)
                $0.sees(written: [Self.entry(2, 2, "b")], after: 1, by: 2)
            } == [])
        #expect(
            Self.promises {
                $0.sees(written: [Self.entry(2, 1, "a")], after: 1, by: 1)
                $0.sees(written: [Self.entry(2, 1, "b")], after: 1, by: 2)
            } == [.logMatching])
        // The same entry after another one.
        #expect(
            Self.promises {
                $0.sees(written: [Self.entry(2, 1, "a"), Self.entry(3, 3, "c")], after: 1, by: 1)
                $0.sees(written: [Self.entry(2, 2, "b"), Self.entry(3, 3, "c")], after: 1, by: 2)
            } == [.logMatching])
    }

    @Test func everybodyAppliesTheSameInOrder() {
        #expect(
            Self.promises {
                $0.sees(applied: Self.entry(2, 1, "a"), after: 1, by: 1)
                $0.sees(applied: Self.entry(2, 1, "a"), after: 1, by: 2)
                $0.sees(applied: Self.entry(3, 1), after: 2, by: 2)
            } == [])
        #expect(
            Self.promises {
                $0.sees(applied: Self.entry(2, 1, "a"), after: 1, by: 1)
                $0.sees(applied: Self.entry(2, 2, "b"), after: 1, by: 2)
            } == [.stateMachineSafety])
        #expect(Self.promises { $0.sees(applied: Self.entry(3, 1), after: 1, by: 1) } == [.stateMachineSafety])
    }

    private static func snapshot(_ index: UInt64, term: UInt64 = 2) -> SnapshotMetadata {
        SnapshotMetadata(index: index, term: term, membership: Membership())
    }

    @Test func whatIsInstalledWasWrittenByAMember() {
        func promises(_ metadata: SnapshotMetadata, _ bytes: [UInt8]) -> [Violation.Promise] {
            Self.promises {
                $0.sees(snapshot: Self.snapshot(9), [1, 2, 3], by: 1)
                $0.sees(snapshot: Self.snapshot(9), [4, 5, 6], by: 2)
                $0.sees(snapshot: Self.snapshot(12), [7, 8, 9], by: 2)
                $0.sees(installed: metadata, bytes, by: 3)
            }
        }
        #expect(promises(Self.snapshot(9), [1, 2, 3]) == [])
        #expect(promises(Self.snapshot(9), [4, 5, 6]) == [])
        // Of two files, of another index, of another term, cut short.
        #expect(promises(Self.snapshot(9), [1, 2, 6]) == [.snapshots])
        #expect(promises(Self.snapshot(9), [7, 8, 9]) == [.snapshots])
        #expect(promises(Self.snapshot(9, term: 1), [1, 2, 3]) == [.snapshots])
        #expect(promises(Self.snapshot(9), [1, 2]) == [.snapshots])
        #expect(promises(Self.snapshot(10), [1, 2, 3]) == [.snapshots])
    }

    @Test func snapshotsOfAnIndexHaveOnePlaceInTheLog() {
        let promises = Self.promises {
            $0.sees(snapshot: Self.snapshot(9), [1], by: 1)
            $0.sees(snapshot: Self.snapshot(9, term: 3), [1], by: 2)
        }
        #expect(promises == [.snapshots])
    }

    @Test func aStateDoesNotGoBack() {
        #expect(Self.promises { $0.sees(installed: 9, after: 8, by: 1) } == [])
        #expect(Self.promises { $0.sees(installed: 8, after: 8, by: 1) } == [.stateMachineSafety])
        #expect(Self.promises { $0.sees(installed: 3, after: 8, by: 1) } == [.stateMachineSafety])
    }
}

/// What is seen of the cluster's state from outside.
@Suite struct StateCheckerTests {
    private static func state(_ change: (inout TaskObject) -> Void = { _ in }) throws -> ClusterState {
        var task = TaskObject(
            id: "t", createdAt: .epoch, serviceID: "s", slot: 1, nodeID: "a",
            spec: TaskTemplate(containerSpec: ContainerSpec(image: "x")), specVersion: 1)
        task.status = TaskStatus(timestamp: .epoch, state: .starting, message: "")
        task.desiredState = .running
        change(&task)
        var state = ClusterState()
        _ = try state.apply(Transaction(time: .epoch, mutations: [.createTask(task)]), at: 1)
        return state
    }

    private static let update = AppliedChange(kind: .task, id: "t", action: .update)

    private static func observation(by node: String) -> Mutation {
        .observe(
            TaskObservation(
                taskID: "t", nodeID: node, status: TaskStatus(timestamp: .epoch, state: .running, message: ""),
                isReady: true, readinessCounter: 1))
    }

    private static func promises(
        _ mutation: Mutation, _ change: (inout TaskObject) -> Void
    ) throws -> [Violation.Promise] {
        var checker = StateChecker()
        let transaction = Transaction(time: .epoch, mutations: [mutation])
        checker.sees(transaction, [update], nil, at: 2, by: 1, from: try state(), to: try state(change))
        return checker.violations.map(\.promise)
    }

    @Test func tasksAreMovedByTheirHost() throws {
        let runs: (inout TaskObject) -> Void = { $0.status.state = .running }
        #expect(try Self.promises(Self.observation(by: "a"), runs) == [])
        #expect(try Self.promises(Self.observation(by: "b"), runs) == [.taskRules])
        #expect(try Self.promises(.desire(taskID: "t", .shutdown), runs) == [.taskRules])
        #expect(try Self.promises(.orphan(taskID: "t")) { $0.status.state = .orphaned } == [])
    }

    @Test func tasksOnlyGoForward() throws {
        let observation = Self.observation(by: "a")
        #expect(try Self.promises(observation) { $0.status.state = .preparing }.contains(.taskRules))
        #expect(try Self.promises(observation) { $0.desiredState = .ready } == [.taskRules])
        #expect(try Self.promises(observation) { $0.nodeID = "b" }.contains(.taskRules))
    }

    @Test func everybodyMakesTheSameOfAnEntry() throws {
        var checker = StateChecker()
        let transaction = Transaction(time: .epoch, mutations: [.desire(taskID: "t", .shutdown)])
        let before = try Self.state()
        let after = try Self.state { $0.desiredState = .shutdown }
        for host in UInt64(1)...2 {
            checker.sees(transaction, [Self.update], nil, at: 2, by: host, from: before, to: after)
        }
        #expect(checker.violations == [])
        checker.sees(transaction, [], .notAllowed("no"), at: 2, by: 3, from: before, to: before)
        #expect(checker.violations.map(\.promise) == [.stateMachineSafety])
    }
}

/// The lists that a simulated group keeps.
@Suite struct ListStoreTests {
    @Test func anAppendThatComesTwiceIsOne() {
        var store = ListStore()
        func command(_ client: UInt64, value: UInt64) -> ListStore.Command {
            let id = CommandID(client: client, since: 0, sequence: 1, acknowledged: 0)
            return ListStore.Command(id: id, key: 7, value: value)
        }
        let first = command(1, value: 10)
        store.apply(first, at: 2)
        store.apply(first, at: 3)
        store.apply(command(2, value: 20), at: 4)
        #expect(store.lists == [7: [10, 20]])
        #expect(store.view(7).count == 2 && store.view(8).count == 0)
        #expect(ListStore.Command(bytes: first.bytes) == first)
        #expect(ListStore.Command(bytes: Array(first.bytes.dropLast())) == nil)
    }
}
