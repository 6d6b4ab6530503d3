/// Milliseconds of simulated time since the beginning of a run.
public typealias Milliseconds = UInt64

/// What happens when. What is due at once happens in the order in which it was asked for.
struct Agenda<Event> {
    /// The longest delay, exclusive.
    static var horizon: Milliseconds { 1 << 15 }

    /// One slot for each millisecond from now to the horizon, in a ring.
    private var slots = [[Event]](repeating: [], count: Int(Self.horizon))
    /// How many of the present slot's events have happened.
    private var done = 0
    private(set) var now: Milliseconds = 0

    mutating func add(_ event: Event, after delay: Milliseconds) {
        precondition(delay < Self.horizon, "\(delay) ms are beyond the horizon")
        slots[Int((now + delay) % Self.horizon)].append(event)
    }

    /// The next event, whose time it then is; nil where none comes before `end`.
    mutating func next(before end: Milliseconds) -> Event? {
        while now < end {
            let place = Int(now % Self.horizon)
            if done < slots[place].count {
                done += 1
                return slots[place][done - 1]
            }
            // Given back, so that memory that is warm is used again.
            slots[place] = []
            done = 0
            now += 1
        }
        return nil
    }
}
