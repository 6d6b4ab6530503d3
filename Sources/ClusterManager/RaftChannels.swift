import ClusterRPC
import Logging
import RaftNode
import Synchronization

/// Carries raft's messages to the other managers, each over a stream of its own.
final class RaftChannels: RaftTransport {
    private struct State {
        var channels: [RaftMember: RaftChannel] = [:]
        var moves = MovedMembers()
    }

    private let connector: ClusterConnector
    private let logger: Logger
    private let state = Mutex(State())

    init(connector: ClusterConnector, logger: Logger) {
        self.connector = connector
        self.logger = logger
    }

    func send(_ messages: [RaftMessage], to member: RaftMember) {
        let channel = state.withLock { state -> RaftChannel? in
            let member = state.moves.placing(member)
            if let channel = state.channels[member] { return channel }
            guard let address = ClusterAddress(parsing: member.address) else { return nil }
            // A member that moved is another key: what goes to its old address ends.
            for old in state.channels.keys where old.id == member.id {
                state.channels.removeValue(forKey: old)?.close()
                if old.address != member.address, let address = ClusterAddress(parsing: old.address) {
                    connector.disconnect(ClusterPeer(nodeID: old.nodeID, address: address))
                }
            }
            let channel = connector.raftChannel(to: ClusterPeer(nodeID: member.nodeID, address: address))
            state.channels[member] = channel
            return channel
        }
        guard let channel else { return }
        for message in messages { channel.send(message.encoded()) }
    }

    /// A node says that it is reached at an address.
    func note(_ address: String, of nodeID: String, beside members: [RaftMember]) {
        state.withLock { $0.moves.note(address, of: nodeID, beside: members) }
    }

    /// Ends the streams to members that are gone.
    func keep(_ members: [RaftMember]) {
        state.withLock { state in
            let kept = Set(members.map { state.moves.placing($0) })
            for member in state.channels.keys where !kept.contains(member) {
                state.channels.removeValue(forKey: member)?.close()
            }
        }
    }

    func close() { keep([]) }
}

/// Where members are that have said so themselves, until the group has agreed on an address of theirs.
struct MovedMembers: Hashable {
    private struct Move: Hashable {
        /// The group's address at that time: another one is newer than what was said.
        var from: String
        var to: String
    }

    private var moves: [String: Move] = [:]

    mutating func note(_ address: String, of nodeID: String, beside members: [RaftMember]) {
        guard let member = members.last(where: { $0.nodeID == nodeID }) else { return }
        moves[nodeID] = member.address == address ? nil : Move(from: member.address, to: address)
    }

    /// The member where it said that it is.
    func placing(_ member: RaftMember) -> RaftMember {
        guard let move = moves[member.nodeID], move.from == member.address else { return member }
        var placed = member
        placed.address = move.to
        return placed
    }
}
