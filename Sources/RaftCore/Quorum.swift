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

/// The answers to a call for votes (Raft section 5.2).
struct VoteTally: Hashable, Sendable {
    enum Outcome { case pending, won, lost }

    private var answers: [UInt64: Bool] = [:]

    /// The first answer of a voter counts.
    mutating func record(_ voter: UInt64, granted: Bool) {
        if answers[voter] == nil { answers[voter] = granted }
    }

    func outcome(among voters: [UInt64]) -> Outcome {
        let needed = Quorum.size(of: voters.count)
        let granted = voters.count { answers[$0] == true }
        let refused = voters.count { answers[$0] == false }
        if granted >= needed { return .won }
        return voters.count - refused < needed ? .lost : .pending
    }
}
