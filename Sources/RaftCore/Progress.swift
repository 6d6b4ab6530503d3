/// How far one member's log is known to be, as its leader sees it, and how it is being filled.
struct Progress: Hashable, Sendable {
    enum Mode: Hashable, Sendable {
        /// Where the logs agree is not known: one message, then wait for its answer or the next heartbeat's.
        case probe(isWaiting: Bool)
        /// Entries are sent one message after the other without waiting, as far as the window allows.
        case replicate
        /// A snapshot up to the index is on its way; no entries meanwhile.
        case snapshot(index: UInt64)
    }

    /// The last entry known to be on the member's disk.
    var matched: UInt64 = 0
    /// The next entry to send.
    var next: UInt64
    var mode: Mode = .probe(isWaiting: false)
    /// Heard from since the last check for a majority.
    var isActive = false
    /// Heard from in the period before.
    var wasActive = false
    /// The newest round of reads that the member has confirmed this leader for.
    var confirmedRead: UInt64 = 0
    var window = SendWindow()
    /// Refusals of messages before this index are old news: what the log lacks from `matched` on is sent again already.
    private var isSentAgainBefore: UInt64 = 0

    init(next: UInt64) { self.next = next }

    var isPaused: Bool {
        switch mode {
        case .probe(let isWaiting): isWaiting
        case .replicate: false
        case .snapshot: true
        }
    }

    mutating func beginPeriod() {
        wasActive = isActive
        isActive = false
    }

    mutating func probe() {
        next = matched + 1
        mode = .probe(isWaiting: false)
        window = SendWindow()
    }

    mutating func replicate() {
        mode = .replicate
        next = matched + 1
        window = SendWindow()
    }

    mutating func sendSnapshot(_ index: UInt64) {
        mode = .snapshot(index: index)
        window = SendWindow()
    }

    /// Notes that entries up to `last` were put into one message.
    mutating func sent(through last: UInt64?, bytes: Int) {
        switch mode {
        case .probe: mode = .probe(isWaiting: true)
        case .replicate:
            guard let last else { return }
            next = last + 1
            window.add(last, bytes: bytes)
        case .snapshot: break
        }
    }

    /// The member has everything up to `index`; false for old news.
    mutating func accept(_ index: UInt64) -> Bool {
        next = max(next, index + 1)
        guard index > matched else { return false }
        matched = index
        return true
    }

    /// The member has answered a heartbeat: whatever it refuses from now on was sent again and is lost all the same.
    mutating func forgetRefusals() { isSentAgainBefore = 0 }

    /// The member has refused entries after `rejected`; its log may agree up to `hint`. False for old news.
    mutating func reject(_ rejected: UInt64, hint: UInt64) -> Bool {
        if case .replicate = mode {
            guard rejected > matched, rejected >= isSentAgainBefore else { return false }
            isSentAgainBefore = next
            next = matched + 1
            return true
        }
        guard next - 1 == rejected else { return false }
        next = max(min(rejected, hint &+ 1), matched + 1)
        if case .probe = mode { mode = .probe(isWaiting: false) }
        return true
    }
}

/// Messages with entries that a member has not answered yet.
struct SendWindow: Hashable, Sendable {
    private var messages: [(last: UInt64, bytes: Int)] = []
    private var bytes = 0

    func isFull(_ configuration: RaftConfiguration) -> Bool {
        messages.count >= configuration.inflightMessageLimit || bytes >= configuration.inflightByteLimit
    }

    mutating func add(_ last: UInt64, bytes: Int) {
        messages.append((last, bytes))
        self.bytes += bytes
    }

    /// Everything up to `index` has arrived.
    mutating func free(through index: UInt64) {
        let count = messages.prefix { $0.last <= index }.count
        for message in messages.prefix(count) { bytes -= message.bytes }
        messages.removeFirst(count)
    }

    static func == (left: SendWindow, right: SendWindow) -> Bool {
        left.bytes == right.bytes && left.messages.map(\.last) == right.messages.map(\.last)
    }

    func hash(into hasher: inout Hasher) { hasher.combine(messages.map(\.last)) }
}
