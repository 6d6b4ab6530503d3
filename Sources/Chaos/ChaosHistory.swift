import Synchronization

/// What all clients asked for and were told, by the name of the config.
final class ChaosHistory: Sendable {
    struct Tally: Sendable {
        var acknowledged = 0
        var reads = 0
        var refused = 0
        var unknown = 0
    }

    private struct State {
        var calls: [String: [RegisterCall]] = [:]
        var lastValue: UInt64 = 0
        /// Of each place where clients meet, which config is used there now and how often it was.
        var shared: [(generation: Int, count: Int)]
        var tally = Tally()
    }

    /// Calls on one shared config; then another one takes its place, so that each history stays short.
    static let callsPerConfig = 60

    private let state: Mutex<State>
    private let start = ContinuousClock.now

    /// - Parameter places: where clients meet.
    init(places: Int) {
        state = Mutex(State(shared: Array(repeating: (0, 0), count: places)))
    }

    /// Nanoseconds since the history's beginning.
    var now: UInt64 {
        let passed = (ContinuousClock.now - start).components
        return UInt64(passed.seconds) * 1_000_000_000 + UInt64(passed.attoseconds / 1_000_000_000)
    }

    /// A value that was never written before.
    func newValue() -> UInt64 {
        state.withLock {
            $0.lastValue += 1
            return $0.lastValue
        }
    }

    /// The config that is used at a place now.
    func sharedName(_ place: Int) -> String {
        state.withLock { state in
            state.shared[place].count += 1
            if state.shared[place].count > Self.callsPerConfig {
                state.shared[place] = (state.shared[place].generation + 1, 1)
            }
            return "shared-\(place)-\(state.shared[place].generation)"
        }
    }

    func add(_ call: RegisterCall, to name: String) {
        state.withLock { state in
            state.calls[name, default: []].append(call)
            switch call.answer {
            case .done: state.tally.acknowledged += 1
            case .seen: state.tally.reads += 1
            case .refused: state.tally.refused += 1
            case .unknown: state.tally.unknown += 1
            }
        }
    }

    var tally: Tally { state.withLock(\.tally) }
    var calls: [String: [RegisterCall]] { state.withLock(\.calls) }
}
