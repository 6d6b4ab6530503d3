import ClusterModel

/// What the control plane has to know of its host.
public struct ControlPlaneConfiguration: Sendable {
    /// Where certificates, keys and the databases are kept.
    public var directory: String
    /// The TCP port of the cluster's listener.
    public var port: UInt16
    /// What this host says of itself.
    public var description: NodeDescription
    /// The versions of clusters that this host can be a manager of.
    public var supportedVersions = SupportedVersions.own
    /// After how many entries of the log a manager writes a snapshot; nil for the usual number.
    public var entriesPerSnapshot: UInt64?

    public init(directory: String, port: UInt16 = 2377, description: NodeDescription) {
        self.directory = directory
        self.port = port
        self.description = description
    }

    /// What this host says to other managers of its program.
    var versions: ManagerVersions {
        ManagerVersions(program: description.engine.engineVersion, supported: supportedVersions)
    }
}
