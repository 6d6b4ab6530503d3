import JSON
import Values

/// What a backup holds.
public struct BackupManifest: Hashable, Sendable, Codable {
    public var clusterID: String
    /// Which log the revision counts in.
    public var history: String
    /// The index of the last log entry that the state contains, and its time.
    public var revision: UInt64
    public var time: Timestamp
    /// The largest term of Raft that the writer knew.
    public var term: UInt64
    /// The manager that wrote it, when, and its program's version.
    public var nodeID: String
    public var writtenAt: Timestamp
    public var version: String
    /// The cluster's version; nil for the first.
    public var clusterVersion: Int?
    /// The state's SQLite file.
    public var stateBytes: UInt64
    public var stateDigest: Digest
    /// The keys to what is sealed in the state, as their holder writes them; nil where nothing was. Never log or show
    /// them.
    public var dataKeys: JSONValue?

    public init(
        clusterID: String, history: String, revision: UInt64, time: Timestamp, term: UInt64, nodeID: String,
        writtenAt: Timestamp, version: String, clusterVersion: Int? = nil, stateBytes: UInt64, stateDigest: Digest,
        dataKeys: JSONValue? = nil
    ) {
        self.clusterID = clusterID
        self.history = history
        self.revision = revision
        self.time = time
        self.term = term
        self.nodeID = nodeID
        self.writtenAt = writtenAt
        self.version = version
        self.clusterVersion = clusterVersion
        self.stateBytes = stateBytes
        self.stateDigest = stateDigest
        self.dataKeys = dataKeys
    }
}
