/// Arithmetic of majorities.
enum Quorum {
    /// How many of `count` voters are a majority.
    static func size(of count: Int) -> Int { count / 2 + 1 }

    /// The highest value that a majority has reached; 0 without voters.
    static func reached(_ values: [UInt64]) -> UInt64 {
        guard !values.isEmpty else { return 0 }
        return values.sorted(by: >)[size(of: values.count) - 1]
    }
}

/// Whose majorities decide: those of the voters, and while members are exchanged jointly also those of the voters from
/// before, each by itself (Raft section 6: joint consensus).
public struct Electorate: Hashable, Sendable {
    /// The voters, of a joint change those after it.
    public let incoming: [UInt64]
    /// The voters before a joint change; empty where none is under way.
    public let outgoing: [UInt64]
    /// Whoever votes, in the order of identities.
    public let all: [UInt64]

    public init(incoming: [UInt64], outgoing: [UInt64] = []) {
        self.incoming = incoming.sorted()
        self.outgoing = outgoing.sorted()
        all = Set(incoming + outgoing).sorted()
    }

    public var isJoint: Bool { !outgoing.isEmpty }

    public func contains(_ id: UInt64) -> Bool { all.contains(id) }

    /// The highest value that every majority has reached; 0 without voters.
    func reached(_ value: (UInt64) -> UInt64) -> UInt64 {
        let new = Quorum.reached(incoming.map(value))
        return outgoing.isEmpty ? new : min(new, Quorum.reached(outgoing.map(value)))
    }

    /// Whether every majority is among those that `isMeant` is true of.
    func hasMajority(_ isMeant: (UInt64) -> Bool) -> Bool { reached { isMeant($0) ? 1 : 0 } == 1 }
}

/// The answers to a call for votes (Raft section 5.2).
struct VoteTally: Hashable, Sendable {
    enum Outcome { case pending, won, lost }

    private var answers: [UInt64: Bool] = [:]

    /// The first answer of a voter counts.
    mutating func record(_ voter: UInt64, granted: Bool) {
        if answers[voter] == nil { answers[voter] = granted }
    }

    func outcome(among electorate: Electorate) -> Outcome {
        if electorate.hasMajority({ answers[$0] == true }) { return .won }
        return electorate.hasMajority { answers[$0] != false } ? .pending : .lost
    }
}
