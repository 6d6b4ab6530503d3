import ClusterModel
import Collections

/// One watch, as long as there is one.
public struct WatchID: Hashable, Sendable {
    let slot: UInt32
    let generation: UInt32
}

/// Somebody who takes what there is for any number of watches.
public struct WatchConsumer: Hashable, Sendable {
    let index: Int
    let generation: UInt32
}

/// What there is for a watch.
public struct WatchDelivery: Hashable, Sendable {
    public var watch: WatchID
    public var update: WatchUpdate
}

/// Who watches what, and how far each has come.
///
/// A change touches those whom it concerns and nobody else: a watch of which nothing is said is idle, and has whatever
/// was marked. One that is concerned is due at its consumer until the consumer takes what there is for it, out of the
/// one window that all share. Nothing is queued for a watch: where the window has gone past it, it is told so.
public struct Watchers: Sendable {
    /// Changes in one update, but for what belongs to the last revision in it.
    static let changesPerUpdate = 1_024
    /// Revisions that a watch is due for one by one; where there are more, it looks through all since the first.
    static let pendingLimit = 32
    /// Updates that a consumer takes at once.
    static let deliveriesPerTake = 256

    private struct Watch {
        var filter: WatchFilter
        /// It has, or does not need, what is up to here, and when it is idle also what is up to `marked`.
        var position: UInt64
        var isDue = false
        /// Where it is due: the revisions that concern it. None: any behind its position may.
        var pending: [UInt64] = []
        /// Its position is of no history that is known here.
        var isLost = false
        var consumer: Int
    }

    private struct Slot {
        var generation: UInt32 = 0
        var watch: Watch?
    }

    private struct Seat {
        var generation: UInt32 = 0
        var isTaken = false
        var due = Deque<UInt32>()
        var watches: Set<UInt32> = []
    }

    private var slots: [Slot] = []
    private var freeSlots: [UInt32] = []
    private var seats: [Seat] = []
    private var freeSeats: [Int] = []
    private var byObject: [ObjectReference: Set<UInt32>] = [:]
    /// By the kind's place.
    private var byKind = [Set<UInt32>](repeating: [], count: ObjectKind.allCases.count)
    private var history: String
    /// Up to where changes have marked whom they concern.
    private var marked: UInt64

    public init(at position: WatchPosition) {
        history = position.history
        marked = position.revision
    }

    public var count: Int { slots.count - freeSlots.count }

    // MARK: Who watches

    public mutating func addConsumer() -> WatchConsumer {
        let index = freeSeats.popLast() ?? seats.count
        if index == seats.count { seats.append(Seat()) }
        seats[index].isTaken = true
        return WatchConsumer(index: index, generation: seats[index].generation)
    }

    /// Ends a consumer and its watches.
    public mutating func remove(_ consumer: WatchConsumer) {
        guard isKnown(consumer) else { return }
        seats[consumer.index].due = []
        for slot in seats[consumer.index].watches {
            remove(WatchID(slot: slot, generation: slots[Int(slot)].generation))
        }
        seats[consumer.index] = Seat(generation: consumer.generation &+ 1)
        freeSeats.append(consumer.index)
    }

    /// Begins a watch behind a position; nil is the end of the window. What is there already makes it due at once.
    ///
    /// - Returns: nil where the consumer has ended.
    public mutating func add(
        _ filter: WatchFilter, from position: WatchPosition? = nil, for consumer: WatchConsumer, in window: ChangeWindow
    ) -> WatchID? {
        guard isKnown(consumer) else { return nil }
        var watch = Watch(filter: filter, position: position?.revision ?? window.head, consumer: consumer.index)
        if let position { watch.isLost = position.history != window.history }
        let slot = freeSlots.popLast() ?? UInt32(slots.count)
        if slot == slots.count { slots.append(Slot()) }
        let isBehind = watch.isLost || watch.position < window.head
        slots[Int(slot)].watch = watch
        seats[consumer.index].watches.insert(slot)
        switch filter {
        case .kinds(let kinds): for kind in kinds { byKind[kind.place].insert(slot) }
        case .objects(let objects): for object in objects { byObject[object, default: []].insert(slot) }
        }
        if isBehind { _ = makeDue(slot) }
        return WatchID(slot: slot, generation: slots[Int(slot)].generation)
    }

    public mutating func remove(_ id: WatchID) {
        guard let watch = watch(id) else { return }
        switch watch.filter {
        case .kinds(let kinds): for kind in kinds { byKind[kind.place].remove(id.slot) }
        case .objects(let objects):
            for object in objects {
                byObject[object]?.remove(id.slot)
                if byObject[object]?.isEmpty == true { byObject[object] = nil }
            }
        }
        seats[watch.consumer].watches.remove(id.slot)
        // The next watch in its slot is not due for that.
        if watch.isDue { seats[watch.consumer].due.removeAll { $0 == id.slot } }
        slots[Int(id.slot)] = Slot(generation: id.generation &+ 1)
        freeSlots.append(id.slot)
    }

    // MARK: What is new

    /// Marks whom the changes concern that came since the last call.
    ///
    /// - Returns: the consumers that had nothing to take before and have now.
    public mutating func mark(_ window: ChangeWindow) -> [WatchConsumer] {
        var woken: [Int] = []
        let isRenewed = window.history != history
        if !isRenewed, let (changes, upTo) = window.changes(after: marked) {
            for change in changes {
                for slot in byKind[change.change.kind.place] { mark(slot, by: change, &woken) }
                for slot in byObject[change.change.object] ?? [] { mark(slot, by: change, &woken) }
            }
            marked = upTo
        } else {
            // Nobody knows whom the missing changes concern.
            for slot in slots.indices where slots[slot].watch != nil {
                if slots[slot].watch?.isDue == false {
                    slots[slot].watch!.position = max(slots[slot].watch!.position, marked)
                }
                slots[slot].watch!.pending = []
                if isRenewed { slots[slot].watch!.isLost = true }
                if let consumer = makeDue(UInt32(slot)) { woken.append(consumer) }
            }
            history = window.history
            marked = window.head
        }
        return woken.map { WatchConsumer(index: $0, generation: seats[$0].generation) }
    }

    private mutating func mark(_ slot: UInt32, by change: RevisedChange, _ woken: inout [Int]) {
        let revision = change.revision
        guard let watch = slots[Int(slot)].watch, revision > watch.position else { return }
        if watch.isDue {
            guard let last = watch.pending.last, last != revision else { return }
            slots[Int(slot)].watch!.pending = watch.pending.count < Self.pendingLimit ? watch.pending + [revision] : []
            return
        }
        // What came before did not concern it.
        slots[Int(slot)].watch!.position = revision - 1
        slots[Int(slot)].watch!.pending = [revision]
        if let consumer = makeDue(slot) { woken.append(consumer) }
    }

    /// The consumer where it had nothing to take before.
    private mutating func makeDue(_ slot: UInt32) -> Int? {
        guard let watch = slots[Int(slot)].watch, !watch.isDue else { return nil }
        slots[Int(slot)].watch!.isDue = true
        seats[watch.consumer].due.append(slot)
        return seats[watch.consumer].due.count == 1 ? watch.consumer : nil
    }

    // MARK: Taking

    /// What there is for a consumer's watches, each at most once; nothing where there is nothing. Those of which there
    /// is more come again.
    ///
    /// - Parameter window: at least as new as any that was marked.
    public mutating func take(_ consumer: WatchConsumer, from window: ChangeWindow) -> [WatchDelivery] {
        guard isKnown(consumer) else { return [] }
        var deliveries: [WatchDelivery] = []
        var scanned = 0
        while deliveries.count < Self.deliveriesPerTake, scanned < Self.changesPerUpdate,
            let slot = seats[consumer.index].due.popFirst()
        {
            guard let watch = slots[Int(slot)].watch else { continue }
            let id = WatchID(slot: slot, generation: slots[Int(slot)].generation)
            slots[Int(slot)].watch!.isDue = false
            slots[Int(slot)].watch!.pending = []
            guard !watch.isLost, window.history == history, let (changes, upTo) = changes(for: watch, in: window) else {
                slots[Int(slot)].watch!.isLost = false
                slots[Int(slot)].watch!.position = window.head
                deliveries.append(WatchDelivery(watch: id, update: .resynchronise(window.position)))
                continue
            }
            scanned += changes.count
            slots[Int(slot)].watch!.position = upTo
            // What came since the last mark marks it again.
            if watch.pending.isEmpty, upTo < window.head { _ = makeDue(slot) }
            if !changes.isEmpty { deliveries.append(WatchDelivery(watch: id, update: .changes(changes, upTo: upTo))) }
        }
        return deliveries
    }

    /// nil where some are missing.
    private func changes(for watch: Watch, in window: ChangeWindow) -> (changes: [RevisedChange], upTo: UInt64)? {
        let isWanted = watch.filter.matches
        guard !watch.pending.isEmpty else {
            return window.changes(after: watch.position, limit: Self.changesPerUpdate, where: isWanted)
        }
        guard watch.position >= window.floor else { return nil }
        return (watch.pending.flatMap { window.changes(at: $0, where: isWanted) }, marked)
    }

    private func isKnown(_ consumer: WatchConsumer) -> Bool {
        seats[consumer.index].isTaken && seats[consumer.index].generation == consumer.generation
    }

    private func watch(_ id: WatchID) -> Watch? {
        slots[Int(id.slot)].generation == id.generation ? slots[Int(id.slot)].watch : nil
    }
}
