/// Something that goes wrong at a time. Hosts are named by their place among those that there are then, so that a fault
/// means something in every run.
public struct Fault: Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// The host loses what its disk has not; it is back after `downtime`.
        case crash(host: Int, downtime: Milliseconds)
        /// All hosts at once, some time after their disks have become slow: what is not written is not rare then.
        case powerLoss(latency: Milliseconds, downtime: Milliseconds)
        /// Whoever is elected next is cut off so long after it was.
        case ambush(delay: Milliseconds, duration: Milliseconds)
        /// For so long no leader lasts: each is cut off or crashes a moment after it was elected, by chance.
        case storm(duration: Milliseconds)
        /// Some hosts are cut off from the leader and the rest; then the leader is cut off alone, while those that
        /// heard it last crash and are back at once. Where it is quiet, nothing new is appended before that, so that
        /// those who heard nothing lack nothing and may be elected.
        case changeSides(before: Milliseconds, isQuiet: Bool, duration: Milliseconds)
        /// The leader hands over, and is cut off right after.
        case handOverAndCut(delay: Milliseconds, duration: Milliseconds)
        /// The leader is cut off together with a minority.
        case minority(duration: Milliseconds)
        /// Some members go, or are exchanged jointly; as soon as the leader acts on that, it is cut off with as many of
        /// the members after the change as are a majority of them, newcomers first.
        case changeAndCut(isJoint: Bool, duration: Milliseconds)
        /// The leader is cut off while it is asked for much. So long after the next one was elected everybody else
        /// trims the log, and the cut ends: what the first has beyond the others is covered by their snapshots.
        case strand(delay: Milliseconds)
        /// Clients lose no time, and each call goes to another host.
        case haste(duration: Milliseconds)
        /// The leader's disk is slow for a while, and some members are far away; then it crashes, and is back soon.
        case leaderStumbles(latency: Milliseconds, downtime: Milliseconds)
        /// The leader is cut off, and the others crash and come back while they elect another.
        case contest(duration: Milliseconds)
        /// The host stands still, as a process that is stopped; its clock goes on.
        case freeze(host: Int, duration: Milliseconds)
        /// Messages from one host to another are lost, in this direction.
        case cut(from: Int, to: Int, duration: Milliseconds)
        /// Messages to and from the host are lost.
        case isolate(host: Int, duration: Milliseconds)
        /// Hosts on one side of a line hear nothing from those on the other; bits of `side` say who is where.
        case partition(side: UInt64, duration: Milliseconds)
        /// Of a thousand messages so many are lost, and so many come twice.
        case unreliable(lost: Int, doubled: Int, duration: Milliseconds)
        /// Of a thousand messages so many come a second time, long after.
        case echo(perMille: Int, duration: Milliseconds)
        /// Messages take up to so long, and overtake each other.
        case delay(Milliseconds, duration: Milliseconds)
        /// Messages to and from hosts on one side take up to so long.
        case slowSide(side: UInt64, Milliseconds, duration: Milliseconds)
        /// The host's writes take so long.
        case slowDisk(host: Int, latency: Milliseconds, duration: Milliseconds)
        /// The host's disk has no room.
        case fullDisk(host: Int, duration: Milliseconds)
        case fullLeader(duration: Milliseconds)
        /// Something happens to the next snapshot that is sent, so long after it was begun.
        case whileSending(SendStrike, delay: Milliseconds)
        /// The host's clock goes faster or slower by so many of a thousand.
        case skew(host: Int, perMille: Int)
        /// The host writes a snapshot and trims its log behind it.
        case trim(host: Int)
        /// A host that runs tasks loses its daemon, or its power.
        case crashNode(node: Int, downtime: Milliseconds, losesPower: Bool)
        /// A host that runs tasks is cut off.
        case isolateNode(node: Int, duration: Milliseconds)
        /// The host stops, and is back with a newer program.
        case upgrade(host: Int, downtime: Milliseconds)
        case transferLeadership
        case addMember
        case removeMember(host: Int)
        /// Operators want the host to be no manager any more.
        case dismiss(host: Int)
        /// So many members at once go or lose their vote and as many new ones come, jointly.
        case exchangeMembers(count: Int)
        /// Changes of members, one right after the other.
        case changeMembers(count: Int)
    }

    /// What becomes of a snapshot on its way.
    public enum SendStrike: Hashable, Sendable, CaseIterable {
        case crashSender, crashReceiver
        /// The sender's disk has no room for a moment, too short for somebody else to be elected.
        case fillSender
        /// The receiver's disk has no room.
        case fillReceiver
        /// The sender writes a newer one, which takes the place of the one that is sent.
        case renew
        /// Another member leads.
        case handOver
        /// A byte is not what was written.
        case damage
    }

    public var time: Milliseconds
    public var kind: Kind

    public var description: String { "\(time) ms: \(kind)" }
}
