import Glibc
import LinuxSystem

/// Waits for descriptors and moments on the only thread (poll(2)).
final class EventLoop {
    private struct Watch {
        var events: Int16
        /// Left out of poll, so that not even a hang-up is reported.
        var isPaused: Bool
        var generation: Int
        let handler: (Int16) -> Void
    }

    private var watches: [Int32: Watch] = [:]
    private(set) var timers: [(deadline: Int64, body: () -> Void)] = []
    private var generation = 0
    /// How long nothing has to happen for it to be quiet, milliseconds.
    private let quietTime: Int32
    /// Called once when it is quiet and no timer runs, and again after the next event.
    var becameQuiet: () -> Void = {}
    private var isQuiet = false

    init(quietTime: Int32) { self.quietTime = quietTime }

    func watch(_ descriptor: Int32, _ events: Int32, handler: @escaping (Int16) -> Void) {
        generation += 1
        watches[descriptor] = Watch(
            events: Int16(events), isPaused: false, generation: generation, handler: handler)
    }

    func setEvents(_ descriptor: Int32, _ events: Int32, isPaused: Bool = false) {
        watches[descriptor]?.events = Int16(events)
        watches[descriptor]?.isPaused = isPaused
    }

    /// Must be called before the descriptor is closed.
    func unwatch(_ descriptor: Int32) { watches[descriptor] = nil }

    /// Calls `body` once at `deadline` (nanoseconds since boot) or soon after.
    func at(_ deadline: Int64, _ body: @escaping () -> Void) { timers.append((deadline, body)) }

    func run(while condition: () -> Bool) throws(SystemError) {
        while condition() {
            var entries: [pollfd] = []
            var generations: [Int] = []
            entries.reserveCapacity(watches.count)
            for (descriptor, watch) in watches where !watch.isPaused {
                entries.append(pollfd(fd: descriptor, events: watch.events, revents: 0))
                generations.append(watch.generation)
            }
            let count = entries.count
            let waitsForQuiet = timers.isEmpty && !isQuiet
            let ready = poll(&entries, nfds_t(count), waitsForQuiet ? quietTime : timeout())
            if ready < 0, errno != EINTR { throw SystemError("poll", errno: errno) }
            if ready == 0, waitsForQuiet {
                isQuiet = true
                becameQuiet()
                continue
            }
            if ready >= 0 { isQuiet = false }
            if ready > 0 {
                for (index, entry) in entries.enumerated() where entry.revents != 0 {
                    // An earlier handler may have closed this one, or opened another in its place.
                    if let watch = watches[entry.fd], watch.generation == generations[index] {
                        watch.handler(entry.revents)
                    }
                }
            }
            fireTimers()
        }
    }

    private func timeout() -> Int32 {
        guard let next = timers.map(\.deadline).min() else { return -1 }
        return Int32(max(0, min(60_000, (next - Clock.sinceBoot() + 999_999) / 1_000_000)))
    }

    private func fireTimers() {
        if timers.isEmpty { return }
        let now = Clock.sinceBoot()
        let due = timers.filter { $0.deadline <= now }
        timers.removeAll { $0.deadline <= now }
        for timer in due { timer.body() }
    }
}
