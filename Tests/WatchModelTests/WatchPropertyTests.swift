import ClusterModel
import Testing
import Values

@testable import WatchModel

private let kinds: [ObjectKind] = [.task, .service, .config]

/// Writers and watchers at random: managers that apply one log at different times and begin anew with snapshots, and
/// watchers that take when they like and move from manager to manager. Each has to learn of every change that concerns
/// it exactly once and in order, or be told to look at the state.
@Suite struct WatchPropertyTests {
    private struct Manager {
        var window: ChangeWindow
        var watchers: Watchers
        var consumer: WatchConsumer
        /// Entries of the log that are applied.
        var applied = 0
        /// A consumer takes only when it was woken, until there is nothing.
        var isWoken = false

        init(at position: WatchPosition, applied: Int) {
            window = ChangeWindow(at: position, limit: 40, segmentLength: 4)
            watchers = Watchers(at: position)
            consumer = watchers.addConsumer()
            self.applied = applied
        }
    }

    private struct Client {
        var filter: WatchFilter
        var manager: Int
        var id: WatchID
        /// What it has told of: everything up to here.
        var position: WatchPosition
        var resynchronisations = 0
        var changes = 0
    }

    private struct Run {
        var random: SplitMix64
        var log: [(revision: UInt64, changes: [RevisedChange])] = []
        var history = "h0"
        var managers: [Manager]
        var clients: [Client] = []

        init(seed: UInt64) {
            random = SplitMix64(seed: seed)
            managers = (0..<3).map { _ in Manager(at: WatchPosition(history: "h0", revision: 0), applied: 0) }
        }

        mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }

        /// Entries now and then change several objects, or none, or are none of the cluster's.
        mutating func write() {
            let revision = (log.last?.revision ?? 0) + UInt64(number(1..<3))
            let changes = (0..<number(0..<4)).map { _ in
                RevisedChange(
                    revision: revision, time: .epoch,
                    change: AppliedChange(kind: kinds[number(0..<3)], id: "\(number(0..<4))", action: .update))
            }
            log.append((revision, changes))
        }

        mutating func apply(_ manager: Int) {
            let end = min(log.count, managers[manager].applied + number(1..<5))
            guard end > managers[manager].applied else { return }
            let entries = log[managers[manager].applied..<end]
            managers[manager].window.append(entries.flatMap(\.changes), upTo: entries.last!.revision)
            managers[manager].applied = end
        }

        mutating func mark(_ manager: Int) {
            let woken = managers[manager].watchers.mark(managers[manager].window)
            if woken.contains(managers[manager].consumer) { managers[manager].isWoken = true }
        }

        /// It gets the state of another one, or loses its memory with its process; its clients stay or go elsewhere.
        mutating func replaceState(_ manager: Int) {
            let source = managers[number(0..<3)]
            guard source.applied >= managers[manager].applied else { return }
            managers[manager].window = ChangeWindow(at: source.window.position, limit: 40, segmentLength: 4)
            managers[manager].applied = source.applied
        }

        mutating func connect(_ filter: WatchFilter, from position: WatchPosition?, to manager: Int) -> WatchID {
            let consumer = managers[manager].consumer
            let window = managers[manager].window
            // It is woken for what is there already.
            managers[manager].isWoken = true
            return managers[manager].watchers.add(filter, from: position, for: consumer, in: window)!
        }

        mutating func join() {
            let manager = number(0..<3)
            let filter: WatchFilter =
                number(0..<2) == 0
                ? .kinds(kinds.filter { _ in number(0..<2) == 0 })
                : .objects(
                    Array(
                        Set(
                            (0..<number(1..<4)).map { _ in
                                ObjectReference(kind: kinds[number(0..<3)], id: "\(number(0..<4))")
                            })))
            let id = connect(filter, from: nil, to: manager)
            clients.append(
                Client(filter: filter, manager: manager, id: id, position: managers[manager].window.position))
        }

        mutating func move(_ client: Int) {
            managers[clients[client].manager].watchers.remove(clients[client].id)
            let manager = number(0..<3)
            clients[client].id = connect(clients[client].filter, from: clients[client].position, to: manager)
            clients[client].manager = manager
        }

        mutating func take(_ manager: Int) {
            guard managers[manager].isWoken else { return }
            let deliveries = managers[manager].watchers.take(managers[manager].consumer, from: managers[manager].window)
            if deliveries.isEmpty { managers[manager].isWoken = false }
            for delivery in deliveries {
                let client = clients.firstIndex { $0.manager == manager && $0.id == delivery.watch }
                #expect(client != nil, "a delivery for nobody")
                if let client { check(delivery.update, client, managers[manager].window) }
            }
        }

        mutating func check(_ update: WatchUpdate, _ client: Int, _ window: ChangeWindow) {
            let position = clients[client].position
            switch update {
            case .changes(let changes, let upTo):
                let filter = clients[client].filter
                let expected = log.filter { $0.revision > position.revision && $0.revision <= upTo }
                    .flatMap(\.changes).filter { filter.matches($0.change) }
                #expect(changes == expected && !changes.isEmpty)
                clients[client].position.revision = upTo
                clients[client].changes += changes.count
            case .resynchronise(let next):
                #expect(next == window.position)
                clients[client].position = next
                clients[client].resynchronisations += 1
            }
        }
    }

    @Test("Each change once or a word that something is missing", arguments: 0..<60)
    func everyChangeOnce(seed: UInt64) {
        var run = Run(seed: seed)
        for _ in 0..<600 {
            let manager = run.number(0..<3)
            switch run.number(0..<100) {
            case 0..<30: run.write()
            case 30..<55: run.apply(manager)
            case 55..<75: run.mark(manager)
            case 75..<90: run.take(manager)
            case 90..<95 where run.clients.count < 20: run.join()
            case 95..<98 where !run.clients.isEmpty: run.move(run.number(0..<run.clients.count))
            case 98: run.replaceState(manager)
            default: break
            }
        }
        // In the end everybody gets what is left, and nobody is behind.
        for manager in run.managers.indices {
            while run.managers[manager].applied < run.log.count { run.apply(manager) }
            run.mark(manager)
            while run.managers[manager].isWoken { run.take(manager) }
        }
        for client in run.clients {
            let missed = run.log.filter { $0.revision > client.position.revision }.flatMap(\.changes)
            #expect(!missed.contains { client.filter.matches($0.change) })
        }
    }

    @Test("The runs see changes, moves and gaps")
    func coverage() {
        var (changes, gaps) = (0, 0)
        for seed in 0..<10 as Range<UInt64> {
            var run = Run(seed: seed)
            for _ in 0..<10 { run.join() }
            for turn in 0..<400 {
                run.write()
                for manager in 0..<3 {
                    run.apply(manager)
                    run.mark(manager)
                    // One of them is slow.
                    if manager > 0 || turn % 100 == 0 { run.take(manager) }
                }
                if turn % 10 == 0 { run.move(turn / 10 % 10) }
            }
            changes += run.clients.reduce(0) { $0 + $1.changes }
            gaps += run.clients.reduce(0) { $0 + $1.resynchronisations }
        }
        #expect(changes > 1_000 && gaps > 10)
    }
}
