/// Names a command among all that there ever are, so that it may be proposed again until somebody sees it in the log
/// (Ongaro's dissertation, section 6.3).
public struct CommandID: Hashable, Sendable {
    /// Whoever proposes; an identity that never comes back, of a manager's life say.
    public let client: UInt64
    /// An index that was applied before the client proposed anything: what it named is above it in the log.
    public let since: UInt64
    /// 1, 2, 3 and so on for each of the client's commands.
    public let sequence: UInt64
    /// The client knows what became of its commands up to this one, and never proposes one of them again.
    public let acknowledged: UInt64

    public init(client: UInt64, since: UInt64, sequence: UInt64, acknowledged: UInt64) {
        precondition(sequence > acknowledged, "a command is named that is not proposed any more")
        self.client = client
        self.since = since
        self.sequence = sequence
        self.acknowledged = acknowledged
    }
}

/// Which commands were applied, as part of the replicated state: what is proposed twice happens once, whatever leader
/// it reached, and whatever order commands of one client have in the log.
public struct CommandRegister: Hashable, Sendable {
    public enum Verdict: Hashable, Sendable {
        case new
        /// It was applied before.
        case repeated
        /// It may have been applied before, which nobody remembers; it is not carried out.
        case forgotten
    }

    struct Client: Hashable, Sendable {
        /// Everything up to here is over.
        var floor: UInt64
        /// Applied ones above the floor.
        var applied: Set<UInt64> = []
        /// The index of its last command.
        var lastIndex: UInt64
    }

    /// Clients that are remembered; of more the one that was silent for longest is forgotten.
    public static let clientLimit = 1_024
    /// Commands of one client that may be under way at once.
    public static let windowLimit: UInt64 = 4_096

    private(set) var clients: [UInt64: Client] = [:]
    /// No client that is forgotten has a command above this index.
    private(set) var horizon: UInt64 = 0

    public init() {}

    /// Notes a command that stands in the log at an index; whether it is to be carried out.
    public mutating func admit(_ id: CommandID, at index: UInt64) -> Verdict {
        if clients[id.client] == nil {
            guard id.since >= horizon else { return .forgotten }
            makeRoom()
            clients[id.client] = Client(floor: id.acknowledged, lastIndex: index)
        }
        var client = clients[id.client]!
        guard id.sequence > client.floor, !client.applied.contains(id.sequence) else { return .repeated }
        guard id.sequence - max(client.floor, id.acknowledged) <= Self.windowLimit else { return .forgotten }
        client.applied.insert(id.sequence)
        client.lastIndex = index
        if id.acknowledged > client.floor {
            client.floor = id.acknowledged
            client.applied = client.applied.filter { $0 > client.floor }
        }
        while client.applied.remove(client.floor + 1) != nil { client.floor += 1 }
        clients[id.client] = client
        return .new
    }

    private mutating func makeRoom() {
        guard clients.count >= Self.clientLimit else { return }
        let silent = clients.min { ($0.value.lastIndex, $0.key) < ($1.value.lastIndex, $1.key) }
        guard let silent else { return }
        clients[silent.key] = nil
        horizon = max(horizon, silent.value.lastIndex)
    }
}
