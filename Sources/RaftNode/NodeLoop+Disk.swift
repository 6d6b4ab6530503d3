import Logging
import RaftCore

/// What becomes of a node whose disk is full, or does not hold any more what was written.
extension NodeLoop {
    /// Damaged rows that are repaired at once; a disk that has lost more is not believed any more.
    static let repairLimit = 100

    var isWaitingForRoom: Bool { unfinished?.isWaitingForRoom ?? false }

    /// The disk is full. The core stands still with what it has asked for, as if the host did: a leader's followers
    /// elect another one, and nothing is promised that is not written.
    func waitForRoom(_ reason: String) {
        guard unfinished?.refuse(at: now) == true else { return }
        logger.error("the disk is full: this member waits for room", metadata: ["reason": "\(reason)"])
        for proposal in proposals.values { proposal.reply.fail(.leadershipLost) }
        for proposal in incoming { proposal.reply.fail(.notLeader(leader: nil)) }
        proposals = [:]
        incoming = []
        failMemberRequests(.leadershipLost) { $0.proposed != nil }
        failMemberRequests(.notLeader(leader: nil)) { _ in true }
    }

    func noteRoom() {
        logger.notice("there is room on the disk again: this member goes on")
    }

    /// Refuses what needs the core or the disk; false for what may be looked at.
    func refusesWithoutRoom(_ event: Event) -> Bool {
        switch event {
        // As on a bad network: whoever sent it tries again.
        case .message: break
        case .propose, .changeMembers, .transfer: event.refuse(.notLeader(leader: nil))
        case .bootstrap, .join, .read, .waitApplied, .snapshotWritten, .damageFound, .stop, .abandon: return false
        }
        return true
    }

    private func record(_ damage: Damage) {
        do { try storage.recordDamage(damage) } catch {
            logger.critical(
                "a damaged Raft log could not be marked: do not start this manager again without removing it",
                metadata: ["reason": "\(error)"])
        }
    }

    /// Mends what the scrub has found from what is in memory, or stops.
    func handle(_ damage: [Damage]) {
        var rows: [Damage] = []
        for item in damage {
            switch item {
            case .snapshotFile(let name):
                guard name == snapshot?.name, !isSnapshotDamaged else { continue }
                isSnapshotDamaged = true
                nextSnapshotTick = now
                logger.error("the snapshot on the disk is damaged and is written anew", metadata: ["file": "\(name)"])
            case .structure:
                failure = failure ?? "\(storage.damaged(item))"
                record(item)
            case .unreadable: failure = failure ?? "\(storage.damaged(item))"
            case .row, .entry: rows.append(item)
            }
        }
        guard !rows.isEmpty, failure == nil else { return }
        guard rows.count <= Self.repairLimit else {
            failure = "\(storage.damaged(rows[0])), and \(rows.count - 1) more rows"
            record(rows[0])
            return
        }
        do throws(RaftError) {
            try storage.repair(rows)
            logger.error(
                "rows of the Raft log were damaged on the disk and are written again",
                metadata: ["first": "\(rows[0])", "count": "\(rows.count)"])
        } catch .diskFull {
            // The next pass finds them again.
        } catch {
            failure = "\(error)"
        }
    }
}
