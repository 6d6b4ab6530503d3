import ClusterRPC
import Logging
import RaftNode
import Synchronization

/// Carries raft's messages to the other managers, each over a stream of its own.
final class RaftChannels: RaftTransport {
    private let connector: ClusterConnector
    private let logger: Logger
    private let channels = Mutex<[RaftMember: RaftChannel]>([:])

    init(connector: ClusterConnector, logger: Logger) {
        self.connector = connector
        self.logger = logger
    }

    func send(_ messages: [RaftMessage], to member: RaftMember) {
        guard let address = ClusterAddress(parsing: member.address) else { return }
        let channel = channels.withLock { channels in
            if let channel = channels[member] { return channel }
            // A member that moved is another key: the stream to its old address ends.
            for old in channels.keys where old.id == member.id { channels.removeValue(forKey: old)?.close() }
            let channel = connector.raftChannel(to: ClusterPeer(nodeID: member.nodeID, address: address))
            channels[member] = channel
            return channel
        }
        for message in messages { channel.send(message.encoded()) }
    }

    /// Ends the streams to members that are gone.
    func keep(_ members: [RaftMember]) {
        let kept = Set(members)
        channels.withLock { channels in
            for member in channels.keys where !kept.contains(member) { channels.removeValue(forKey: member)?.close() }
        }
    }

    func close() { keep([]) }
}
