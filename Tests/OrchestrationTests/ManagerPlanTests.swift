import ClusterModel
import JSON
import Orchestration
import Testing
import Values

/// Who votes, by the nodes' roles and the policy. Members are numbered as they joined; 1 leads.
@Suite struct ManagerPlanTests {
    private let second: Int64 = 1_000_000_000
    private let three = ManagerPolicy(voters: 3, demoteAfterNanoseconds: 60_000_000_000)
    private let all = ManagerPolicy(demoteAfterNanoseconds: 60_000_000_000)

    private func voter(_ id: UInt64, silent: Int64 = 0, isWanted: Bool = true) -> ManagerStanding {
        ManagerStanding(
            member: id, nodeID: "n\(id)", votes: true, isLeader: id == 1, isWanted: isWanted,
            silentNanoseconds: silent * second, hasCaughtUp: true, joinedAt: Timestamp(secondsSinceEpoch: Int64(id)))
    }

    private func learner(
        _ id: UInt64, silent: Int64 = 0, isWanted: Bool = true, hasCaughtUp: Bool = true
    ) -> ManagerStanding {
        var standing = voter(id, silent: silent, isWanted: isWanted)
        standing.votes = false
        standing.hasCaughtUp = hasCaughtUp
        return standing
    }

    private func changes(_ standings: [ManagerStanding], _ policy: ManagerPolicy) -> [ManagerPlan.Change] {
        ManagerPlan.next(standings, policy).changes
    }

    @Test("Docker's way: every manager votes for good") func withoutPolicy() {
        let none = ManagerPolicy()
        #expect(changes([voter(1)], none) == [])
        #expect(changes([voter(1), learner(2), learner(3)], none) == [.promote(2), .promote(3)])
        #expect(changes([voter(1), learner(2, hasCaughtUp: false), learner(3, silent: 1)], none) == [])
        let dead = [voter(1), voter(2), voter(3), voter(4, silent: 90_000), voter(5, silent: 90_000)]
        #expect(changes(dead, none) == [])
    }

    @Test("Beyond the number that is wanted managers are spares") func spares() {
        #expect(changes([voter(1), voter(2), voter(3), learner(4)], three) == [])
        #expect(changes([voter(1), learner(3), learner(2), learner(4)], three) == [.promote(2), .promote(3)])
        #expect(changes([voter(1), voter(2)], three) == [], "two of two vote, as in Docker")
    }

    @Test("Where there are more voters than wanted, those that are silent become spares, then the last")
    func fewerVoters() {
        let five = (1...5).map { voter(UInt64($0)) }
        #expect(changes(five, three) == [.demote(5), .demote(4)])
        var silent = five
        silent[1].silentNanoseconds = ManagerPlan.settlingNanoseconds
        #expect(changes(silent, three) == [.demote(2), .demote(5)])
        // One that a new leader has not heard yet may be heard in a moment.
        silent[1].silentNanoseconds -= 1
        #expect(changes(silent, three) == [])
        let last = [voter(1)].map { leader in
            var leader = leader
            leader.joinedAt = Timestamp(secondsSinceEpoch: 100)
            return leader
        }
        #expect(changes(last + [voter(2), voter(3), voter(4)], three) == [.demote(4)], "the leader keeps its vote")
    }

    @Test("A spare takes the vote of one that was silent for too long, at once") func replacement() {
        let group = [voter(1), voter(2), voter(3, silent: 59), learner(4)]
        #expect(changes(group, three) == [])
        var dead = group
        dead[2].silentNanoseconds = 60 * second
        #expect(changes(dead, three) == [.promote(4), .demote(3)])
        #expect(changes(dead.dropLast() + [learner(4, silent: 1)], three) == [], "no spare that lives")
        #expect(changes(dead.dropLast() + [learner(4, hasCaughtUp: false)], three) == [])
        // The one that was silent for longest comes first, and what comes back is the next spare.
        let two = [voter(1), voter(2), voter(3), voter(4, silent: 70), voter(5, silent: 90), learner(6)]
        let five = ManagerPolicy(voters: 5, demoteAfterNanoseconds: 60 * second)
        #expect(changes(two, five) == [.promote(6), .demote(5)])
        #expect(changes([voter(1), voter(2), voter(4), learner(3)], three) == [])
    }

    @Test("Without a spare a dead vote goes where the rest survives one death more") func withoutSpares() {
        #expect(changes([voter(1), voter(2), voter(3, silent: 90)], all) == [])
        let four = [voter(1), voter(2), voter(3), voter(4, silent: 90)]
        #expect(changes(four, all) == [.demote(4)])
        let five = [voter(1), voter(2), voter(3), voter(4, silent: 90), voter(5, silent: 80)]
        #expect(Set(changes(five, all)) == [.demote(4), .demote(5)])
        #expect(changes([voter(1), voter(2), voter(3), voter(4), voter(5, silent: 80)], all) == [])
        // It votes again when it is back.
        #expect(changes([voter(1), voter(2), voter(3), learner(4)], all) == [.promote(4)])
    }

    @Test("Who is no manager any more goes, together with who takes its place") func removal() {
        let demoted = [voter(1), voter(2), voter(3, silent: 1, isWanted: false), learner(4)]
        #expect(changes(demoted, three) == [.remove(3), .promote(4)])
        #expect(changes([voter(1), voter(2), learner(3, isWanted: false)], ManagerPolicy()) == [.remove(3)])
    }

    @Test("Nobody goes who is needed by the living") func majority() {
        // The third one died when the second had been demoted.
        let group = [voter(1), voter(2, isWanted: false), voter(3, silent: 1)]
        #expect(changes(group, ManagerPolicy()) == [])
        #expect(changes(group + [learner(4)], ManagerPolicy()) == [.remove(2), .promote(4)])
        let several = [
            voter(1), voter(2, isWanted: false), voter(3, isWanted: false), voter(4, silent: 1),
            voter(5, silent: 1, isWanted: false),
        ]
        #expect(changes(several, ManagerPolicy()) == [.remove(5)])
        // Two of four commit nothing.
        #expect(changes(several.filter { $0.member != 3 }, ManagerPolicy()) == [])
    }

    @Test("A leader that is no manager any more hands over to one that stays") func handsOver() {
        var group = [voter(1, isWanted: false), voter(2), voter(3), learner(4)]
        #expect(ManagerPlan.next(group, three).successor == 2)
        #expect(changes(group, three) == [])
        // Not to one that has to hand over as well: two of them would lead in turns for ever.
        group[1].isWanted = false
        #expect(ManagerPlan.next(group, three).successor == 3)
        group[2].hasCaughtUp = false
        #expect(ManagerPlan.next(group, three).successor == nil)
        group[2].hasCaughtUp = true
        group[2].silentNanoseconds = 1
        #expect(ManagerPlan.next(group, three).successor == nil)
        // A spare that gets a vote can be the one.
        #expect(changes(group, three) == [.remove(2), .promote(4)])
    }

    @Test("swarmkit: CanRemoveMember") func canLose() {
        func canLose(_ node: String, _ living: Set<String>, voters: Set<String> = ["a", "b", "c"]) -> Bool {
            ManagerPlan.canLose(node, voters: voters, living: living)
        }
        #expect(canLose("c", ["a", "b"]))
        #expect(canLose("c", ["a", "b", "c"]))
        #expect(!canLose("b", ["a", "b"]))
        #expect(canLose("d", ["a"]), "a spare has no vote to lose")
        #expect(!canLose("a", ["a"], voters: ["a"]))
    }

    // MARK: Every group of five

    /// How many of the living voters may die before there is no majority; negative where there is none.
    private func margin(_ standings: [ManagerStanding]) -> Int {
        let voters = standings.filter(\.votes)
        return voters.count(where: \.isHeard) - (voters.count / 2 + 1)
    }

    /// A leader and four others, each of whom is anything.
    private func everyGroup(_ body: ([ManagerStanding]) -> Void) {
        var kinds: [(UInt64) -> ManagerStanding] = []
        for isWanted in [true, false] {
            for silent: Int64 in [0, 1, 30, 90] { kinds.append { self.voter($0, silent: silent, isWanted: isWanted) } }
            kinds.append { self.learner($0, isWanted: isWanted) }
            kinds.append { self.learner($0, isWanted: isWanted, hasCaughtUp: false) }
            kinds.append { self.learner($0, silent: 90, isWanted: isWanted) }
        }
        for number in 0..<(kinds.count * kinds.count * kinds.count * kinds.count) {
            var rest = number
            var group = [voter(1)]
            for id in 2...5 as ClosedRange<UInt64> {
                group.append(kinds[rest % kinds.count](id))
                rest /= kinds.count
            }
            body(group)
        }
    }

    @Test(
        "In no group a plan costs the living a death that they would survive",
        arguments: [
            ManagerPolicy(), ManagerPolicy(demoteAfterNanoseconds: 60_000_000_000), ManagerPolicy(voters: 3),
            ManagerPolicy(voters: 3, demoteAfterNanoseconds: 60_000_000_000),
        ])
    func everyPlanIsSafe(policy: ManagerPolicy) {
        var broken: [String] = []
        func require(_ condition: Bool, _ promise: String, _ group: [ManagerStanding]) {
            if !condition, broken.count < 5 { broken.append("\(promise): \(group)") }
        }
        var planned = 0
        everyGroup { group in
            // Who hears no majority does not lead.
            guard margin(group) >= 0 else { return }
            let changes = self.changes(group, policy)
            guard !changes.isEmpty else { return }
            planned += 1
            var after = group
            var changed: Set<UInt64> = []
            for change in changes {
                switch change {
                case .promote(let id):
                    let place = after.firstIndex { $0.member == id }!
                    require(changed.insert(id).inserted, "one change of each", group)
                    require(!after[place].votes && after[place].isWanted, "a manager without a vote gets it", group)
                    require(after[place].isHeard && after[place].hasCaughtUp, "whoever gets a vote can vote", group)
                    after[place].votes = true
                case .demote(let id):
                    let place = after.firstIndex { $0.member == id }!
                    require(changed.insert(id).inserted, "one change of each", group)
                    require(after[place].votes && !after[place].isLeader, "a voter but the leader loses it", group)
                    let silent = after[place].silentNanoseconds
                    let isDead = policy.demoteAfterNanoseconds.map { silent >= $0 } ?? false
                    let isBeyond = policy.voters.map { group.count(where: \.votes) > $0 } ?? false
                    require(isDead || isBeyond, "for a reason", group)
                    after[place].votes = false
                case .remove(let id):
                    let place = after.firstIndex { $0.member == id }!
                    require(changed.insert(id).inserted, "one change of each", group)
                    require(!after[place].isWanted, "who is a manager stays", group)
                    after.remove(at: place)
                }
            }
            require(margin(after) >= 0, "the living are a majority", group)
            if group.allSatisfy(\.isWanted) {
                let wanted = policy.voters.map { ($0 - 1) / 2 } ?? .max
                require(margin(after) >= min(margin(group), wanted), "nobody's death became worse", group)
                require(self.changes(after, policy).isEmpty, "one plan is enough", group)
            }
        }
        #expect(broken == [])
        #expect(planned > 1_000, "\(planned)")
    }

    // MARK: Plans carried out

    @Test("Whatever dies and comes back, plans come to rest and the living are a majority", arguments: 0..<200)
    func comesToRest(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        let policy = ManagerPolicy(
            voters: [nil, 3, 5].randomElement(using: &generator)!, demoteAfterNanoseconds: 60 * second)
        var group = (1...7).map { id in id <= 5 ? voter(id) : learner(id) }
        for _ in 0..<40 {
            let place = Int.random(in: 1..<group.count, using: &generator)
            group[place].silentNanoseconds = group[place].isHeard ? 90 * second : 0
            if Int.random(in: 0..<10, using: &generator) == 0 { group[place].isWanted.toggle() }
            let voters = group.filter(\.votes)
            // Without a majority nobody leads, and nobody plans.
            guard voters.count(where: { $0.isHeard }) > voters.count / 2 else {
                group[place].silentNanoseconds = 0
                continue
            }
            let spared = voters.count(where: { $0.isHeard }) - (voters.count / 2 + 1)
            var rounds = 0
            while case let changes = self.changes(group, policy), !changes.isEmpty {
                rounds += 1
                #expect(rounds <= 2, "\(changes)")
                guard rounds <= 2 else { return }
                carryOut(changes, in: &group)
            }
            let after = group.filter(\.votes)
            let heard = after.count(where: { $0.isHeard })
            #expect(heard > after.count / 2)
            #expect(after.contains { $0.isLeader })
            #expect(after.count <= policy.voters ?? .max || after.contains { !$0.isWanted })
            if group.allSatisfy(\.isWanted), policy.voters == nil { #expect(heard - (after.count / 2 + 1) >= spared) }
        }
    }

    private func carryOut(_ changes: [ManagerPlan.Change], in group: inout [ManagerStanding]) {
        for change in changes {
            switch change {
            case .promote(let id): group[group.firstIndex { $0.member == id }!].votes = true
            case .demote(let id): group[group.firstIndex { $0.member == id }!].votes = false
            case .remove(let id):
                // It comes back as a learner when it is a manager again.
                let place = group.firstIndex { $0.member == id }!
                group[place].votes = false
                group[place].isWanted = true
            }
        }
    }

    // MARK: The parts

    @Test func aPolicyIsReadFromTheSpecification() {
        #expect(ManagerPolicy(specification: [:]) == ManagerPolicy())
        #expect(ManagerPolicy(specification: ["Managers": ["Voters": 0, "DemoteAfter": 0]]) == ManagerPolicy())
        let policy = ManagerPolicy(specification: ["Managers": ["Voters": 3, "DemoteAfter": 600_000_000_000]])
        #expect(policy == ManagerPolicy(voters: 3, demoteAfterNanoseconds: 600_000_000_000))
        #expect(policy.objection == nil)
        #expect(ManagerPolicy(voters: 4).objection?.contains("3, 5 or 7") == true)
        #expect(ManagerPolicy(voters: 1).objection != nil)
        #expect(ManagerPolicy(demoteAfterNanoseconds: 9_999_999_999).objection?.contains("10s") == true)
    }

    @Test("Silence is counted from when somebody was heard, or from when a leader began") func silence() {
        var record = SilenceRecord(pauseLimitNanoseconds: 100)
        record.note([(1, true), (2, false)], at: 100)
        #expect(record.silence(of: 1, isHeard: true, at: 100) == 0)
        #expect(record.silence(of: 2, isHeard: false, at: 100) == 1)
        record.note([(1, false), (2, false)], at: 150)
        #expect(record.silence(of: 1, isHeard: false, at: 150) == 50)
        #expect(record.silence(of: 2, isHeard: false, at: 170) == 70)
        record.note([(2, true)], at: 200)
        record.note([(1, false), (2, false)], at: 210)
        #expect(record.silence(of: 1, isHeard: false, at: 220) == 10, "one that came back begins anew")
        #expect(record.silence(of: 2, isHeard: false, at: 220) == 20)
        // It stood still, or did not lead: nobody could be heard.
        record.note([(1, false), (2, false)], at: 311)
        #expect(record.silence(of: 2, isHeard: false, at: 321) == 10)
    }

    /// A leader that looks eight times a second at three voters and a spare, of whom the third voter is silent.
    private struct Leader {
        var record = SilenceRecord(pauseLimitNanoseconds: 2_000_000_000)
        var now: Int64
        let group: [ManagerStanding]

        init(at now: Int64, _ group: [ManagerStanding]) {
            self.now = now
            self.group = group
        }

        /// Looks for so many seconds; what it decided first.
        mutating func look(seconds: Int, _ policy: ManagerPolicy) -> [ManagerPlan.Change] {
            for _ in 0..<seconds * 8 {
                now += 125_000_000
                record.note(group.map { ($0.member, $0.isHeard) }, at: now)
                let standings = group.map { standing in
                    var standing = standing
                    standing.silentNanoseconds = record.silence(
                        of: standing.member, isHeard: standing.isHeard, at: now)
                    return standing
                }
                let changes = ManagerPlan.next(standings, policy).changes
                if !changes.isEmpty { return changes }
            }
            return []
        }
    }

    @Test("A leader acts on no silence of its own: not as it begins, not after it stood still") func ownSilence() {
        let group = [voter(1), voter(2), voter(3, silent: 1), learner(4)]
        var leader = Leader(at: 1_000 * second, group)
        #expect(leader.look(seconds: 59, three) == [], "the minute begins with its term")
        leader.now += 100 * second
        #expect(leader.look(seconds: 59, three) == [], "it stood still for long")
        leader.now += 3 * second
        #expect(leader.look(seconds: 59, three) == [], "it stood still for a moment")
        #expect(leader.look(seconds: 2, three) == [.promote(4), .demote(3)])
        var next = Leader(at: leader.now, group)
        #expect(next.look(seconds: 59, three) == [])
        // One that hears nobody any more is not to decide anything, as long as it still leads.
        var cutOff = Leader(at: 0, [voter(1), voter(2, silent: 1), voter(3, silent: 1), learner(4)])
        #expect(cutOff.look(seconds: 600, three) == [])
        var alone = Leader(at: 0, [voter(1)] + (2...5).map { voter($0, silent: 1) })
        #expect(alone.look(seconds: 600, three) == [])
        #expect(alone.look(seconds: 600, all) == [])
    }
}
