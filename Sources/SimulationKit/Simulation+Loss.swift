import RaftCore

/// A member that is lost for good, with its disk, while all others are mended: they have what was acknowledged.
extension Simulation {
    /// Takes one away, where the scenario wants that.
    mutating func loseOne() {
        guard scenario.losesOne else { return }
        // Mostly one without whom the others are least certain to have everything.
        let candidates = losable.sorted { certainty(without: $0) < certainty(without: $1) }
        let isWorst = random.chance(perMille: 800)
        guard let id = isWorst ? candidates.first : random.element(of: candidates) else { return }
        world.leaderships[id] = nil
        world.waiting[id] = nil
        hosts[id]!.crash(writeWasDone: false)
        hosts[id]!.isLost = true
    }

    /// Whom the others have to do without: the witness, and a manager where the other one lacks no more than half of
    /// what the witness keeps.
    private var losable: [UInt64] {
        let last = hosts.all.first(where: \.isWitness)?.disk.lastIndex ?? 0
        return hosts.ids.filter { certainty(without: $0) + scenario.tailEntries / 2 >= last }
    }

    /// Up to where the managers that are left are certain to have what the witness has; they do not need it where it is
    /// the witness that is lost.
    private func certainty(without lost: UInt64) -> UInt64 {
        guard let witness = hosts.all.first(where: \.isWitness) else { return 0 }
        if lost == witness.id { return witness.disk.lastIndex }
        let rest = hosts.all.filter { $0.id != lost && $0 !== witness }
        return rest.map { $0.disk.agreement(with: witness.disk) }.min() ?? 0
    }
}

extension SimulatedHost.Disk {
    var lastIndex: UInt64 { base.index + UInt64(entries.count) }

    private func term(at index: UInt64) -> UInt64? {
        if index == base.index { return base.term }
        return index > base.index && index <= lastIndex ? entries[Int(index - base.index) - 1].term : nil
    }

    /// Up to where this log is certain to hold what the other one does.
    func agreement(with other: SimulatedHost.Disk) -> UInt64 {
        // What is behind a base is committed.
        if base.index >= other.lastIndex { return other.lastIndex }
        var index = min(lastIndex, other.lastIndex)
        while index >= max(base.index, other.base.index) {
            if let term = term(at: index), term == other.term(at: index) { return index }
            if index == 0 { break }
            index -= 1
        }
        return min(hardState.commit, other.lastIndex)
    }
}
