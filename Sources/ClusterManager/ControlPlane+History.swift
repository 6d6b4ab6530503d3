import ClusterHistory
import ClusterModel
import ClusterStore
import EngineModel
import JSON
import LinuxSystem
import Values

/// What a rollback did.
public struct RollbackOutcome: Hashable, Sendable {
    public var plan: RollbackPlan
    /// The revision that it made; nil where nothing had to change.
    public var revision: UInt64?
    /// Networks that are still used and were left.
    public var leftNetworks: [String] = []
}

/// A change of one revision, and the specification before it.
public struct HistoryChange: Hashable, Sendable {
    public var record: HistoryRecord
    /// nil for what did not exist.
    public var before: JSONValue?
}

extension ControlPlane {
    /// How long a rollback waits for tasks to leave networks that it removes.
    static let networkPatienceNanoseconds: Int64 = 30_000_000_000

    // MARK: Looking back

    /// The newest records that a filter lets through, newest first.
    ///
    /// - Parameter author: a node by name, identifier or its beginning, or `orchestrator`.
    public func history(_ filter: HistoryFilter, author: String? = nil) async throws(EngineError) -> [HistoryRecord] {
        let state = try await state()
        var filter = filter
        if let author {
            filter.authors = state.nodes.values.filter { $0.hostname == author || $0.id.hasPrefix(author) }.map(\.id)
            // A node that left is known by its identifier alone.
            filter.authors?.append(author)
        }
        return try await read { [filter] in try $0.history(filter) }
    }

    /// What happened at one revision.
    public func changes(at revision: UInt64) async throws(EngineError) -> [HistoryChange] {
        try await requireTellable(revision)
        let changes = try await read { store in
            try store.changes(at: revision).map { HistoryChange(record: $0.record, before: $0.before) }
        }
        guard !changes.isEmpty else {
            throw EngineError(.notFound, "revision \(revision) changed no specification")
        }
        return changes
    }

    /// How the specifications of two revisions differ; the newest one where `last` is nil.
    public func differences(
        from first: UInt64, to last: UInt64?
    ) async throws(EngineError) -> [SpecificationDifference] {
        let newest = try await requireTellable(first)
        let last = last ?? newest
        try await requireTellable(last)
        return try await read { store in
            try SpecificationDifference.between(store.specifications(at: first), store.specifications(at: last))
        }
    }

    /// Refuses what is forgotten or to come; returns the newest revision.
    @discardableResult
    private func requireTellable(_ revision: UInt64) async throws(EngineError) -> UInt64 {
        _ = try await state()
        let range = try await read { try $0.tellableRevisions() }
        guard revision >= range.lowerBound else {
            throw EngineError(
                .notFound,
                "revision \(revision) has been forgotten: the oldest that can be told is \(range.lowerBound)")
        }
        guard revision <= range.upperBound else {
            throw EngineError(.notFound, "there is no revision \(revision) yet: the newest is \(range.upperBound)")
        }
        return range.upperBound
    }

    /// Runs one statement that reads the state.
    public func query(_ statement: String) async throws(EngineError) -> StateQueryAnswer {
        _ = try await state()
        let queries = try manager().queries
        do {
            return try await queries.read { try $0.query(statement) }
        } catch let refusal as StateQueryRefusal {
            throw EngineError(.invalidParameter, refusal.description)
        } catch {
            throw EngineError(any: error)
        }
    }

    func read<Value: Sendable>(_ body: @Sendable (ClusterStore) throws -> Value) async throws(EngineError) -> Value {
        let reader = try manager().reader
        do { return try await reader.read(body) } catch { throw EngineError(any: error) }
    }

    // MARK: Going back

    /// What a rollback would do now, and the revision that this holds for.
    public func planRollback(to revision: UInt64) async throws(EngineError) -> (plan: RollbackPlan, basis: UInt64) {
        try await requireTellable(revision)
        let state = try await state()
        let past = try await read { try $0.specifications(at: revision) }
        var generator = SystemRandomNumberGenerator()
        do throws(RollbackRefusal) {
            let plan = try RollbackPlan(
                to: revision, past, from: state, now: max(Clock.now(), state.time), using: &generator)
            return (plan, state.index)
        } catch {
            throw EngineError(.conflict, "the rollback to \(revision) is not possible: \(error)")
        }
    }

    /// Makes specifications what they were at a revision: one transaction, then the removal of networks as soon as
    /// their last task has left.
    ///
    /// - Parameter basis: where given, nothing is done if a specification has changed since that revision.
    public func rollBack(to revision: UInt64, basis: UInt64?) async throws(EngineError) -> RollbackOutcome {
        let note = "rollback to \(revision)"
        for attemptsLeft in (0..<Self.changeAttempts).reversed() {
            let plan = try await planRollback(to: revision).plan
            if let basis { try await requireUnchanged(since: basis) }
            var outcome = RollbackOutcome(plan: plan)
            if !plan.mutations.isEmpty {
                let answer = try await attempt(plan.mutations, note: note)
                if let refusal = answer.refusal {
                    guard refusal.mayBeRace, attemptsLeft > 0 else { throw EngineError(refusal) }
                    continue
                }
                outcome.revision = answer.index
            }
            for removal in plan.laterRemovals {
                if let index = try await remove(removal, note: note) {
                    outcome.revision = outcome.revision ?? index
                } else {
                    outcome.leftNetworks.append(removal.name)
                }
            }
            return outcome
        }
        throw EngineError(Refusal.notAllowed("the cluster's objects change too fast: try again"))
    }

    private func requireUnchanged(since basis: UInt64) async throws(EngineError) {
        guard let newest = try await history(HistoryFilter(limit: 1)).first, newest.revision > basis else { return }
        throw EngineError(
            .conflict,
            "\(newest.object.kind.rawValue) \(newest.name) was \(newest.change.rawValue) at revision "
                + "\(newest.revision), after the plan was made: look at it again")
    }

    /// Removes a network once nobody uses it; nil where that took too long.
    private func remove(_ removal: RollbackPlan.Removal, note: String) async throws(EngineError) -> UInt64? {
        let deadline = Clock.sinceBoot() + Self.networkPatienceNanoseconds
        while true {
            let state = try await state()
            guard state.networks[removal.networkID] != nil else { return state.index }
            if state.user(ofNetwork: removal.networkID) == nil {
                let answer = try await attempt(
                    [.removeNetwork(removal.networkID, expected: removal.version.index)], note: note)
                if answer.refusal == nil { return answer.index }
            }
            guard Clock.sinceBoot() < deadline, (try? await Task.sleep(for: .milliseconds(200))) != nil else {
                return nil
            }
        }
    }
}
