import ClusterRPC
import DatabaseCipher
import Logging
import RaftNode

/// This host's part in raft as the cluster's witness: a vote and the end of the log. It has no state and no data keys,
/// and answers nobody's requests.
final class Witness: Sendable {
    let raft: RaftNode
    private let channels: RaftChannels
    private let following: Task<Void, Never>

    /// - Parameter keys: of this host's databases.
    init(directory: String, keys: DatabaseKeys, connector: ClusterConnector, logger: Logger) throws {
        let channels = RaftChannels(connector: connector, logger: logger)
        let raft = try RaftNode(
            directory: directory, transport: channels, stateMachine: NoStateMachine(), on: ManagerDisks(keys).log,
            logger: logger)
        (self.channels, self.raft) = (channels, raft)
        following = Task {
            for await status in raft.statusChanges() {
                channels.keep(status.peers)
                if let failure = status.failure {
                    logger.critical("raft has stopped", metadata: ["reason": "\(failure)"])
                }
            }
        }
    }

    /// A manager says that it is reached at an address.
    func note(_ address: String, of nodeID: String) {
        channels.note(address, of: nodeID, beside: raft.status.members.map(\.member))
    }

    func stop() async {
        following.cancel()
        channels.close()
        await raft.stop()
        // It holds the database, whose place another cluster's may take next.
        await following.value
    }
}
