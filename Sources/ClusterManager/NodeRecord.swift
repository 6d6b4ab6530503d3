import JSON
import LinuxSystem
import RaftNode
import SessionModel
import Values

/// What a host remembers of its part in a cluster, in `node.json`.
struct NodeRecord: Hashable, Codable {
    static let fileName = "node.json"
    /// What is to take its place: a manager is about to go on alone.
    static let renewalName = "node-renewed.json"

    var nodeID: String
    var clusterID: String
    /// The history of the cluster that this host belongs to; nil until it is told, after an older version.
    var history: String?
    var isManager: Bool
    /// Whether it is the cluster's witness, a worker that votes in raft.
    var isWitness: Bool?
    /// This host's membership in raft; 0 for a worker, and for a manager that is about to get one.
    var raftMember: UInt64
    /// Whether peers are listened to: after `swarm init` or `swarm join`.
    var isOpen: Bool
    /// The address that peers use, without port; empty while closed.
    var address: String
    var port: UInt16
    /// Which interface had the address when that was last seen; nil for an address that none has.
    var interface: String?
    /// The managers that were known last.
    var managers: [PeerAddress]

    var clusterAddress: String { address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)" }

    /// Its membership in raft.
    var ownMember: RaftMember { RaftMember(id: raftMember, nodeID: nodeID, address: clusterAddress) }

    func with(managers: [PeerAddress]) -> NodeRecord {
        var record = self
        record.managers = managers
        return record
    }

    static func load(directory: String, named name: String = fileName) throws -> NodeRecord? {
        let path = directory + "/" + name
        guard Files.exists(path) else { return nil }
        return try JSONCoding.decode(NodeRecord.self, from: Files.read(path))
    }

    func save(directory: String, named name: String = fileName) throws {
        try Files.makeDirectories(directory, mode: 0o700)
        try Files.writeDurably(directory + "/" + name, JSONCoding.encode(self), mode: 0o600)
    }
}
