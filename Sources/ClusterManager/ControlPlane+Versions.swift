import ClusterModel
import EngineModel
import RaftNode

/// The cluster's version, what its managers support, and what keeps it from rising.
public struct VersionReport: Hashable, Sendable {
    public struct Manager: Hashable, Sendable {
        public var nodeID: String
        public var hostname: String
        /// nil where it has not answered.
        public var versions: ManagerVersions?
    }

    public var version: ClusterVersion
    public var managers: [Manager]
    public var decision: VersionRise.Decision
}

extension ControlPlane {
    /// What is so now, as this manager sees it; without a leader it is what this manager has.
    public func versionReport() async throws(EngineError) -> VersionReport {
        let manager = try manager()
        _ = try? await manager.latest()
        let managers = await manager.survey.answers(of: manager.survey.members)
        let state = manager.store.state
        return VersionReport(
            version: state.version,
            managers: managers.map {
                VersionReport.Manager(
                    nodeID: $0.nodeID, hostname: state.nodes[$0.nodeID]?.hostname ?? "", versions: $0.versions)
            }, decision: VersionRise(current: state.version, managers: managers).decision)
    }
}

extension ControlPlane {
    /// Throws where a host says that it could not be a manager of this cluster. One that does not answer may come up
    /// with another program: it is looked at again when it joins.
    func requireSupport(of node: NodeObject, in state: ClusterState) async throws(EngineError) {
        guard let supported = await ManagerSurvey.ask(node.id, at: node.clusterAddress, connector)?.supported,
            !supported.contains(state.version)
        else { return }
        throw .unsupported(state.version, by: supported)
    }
}

extension EngineError {
    /// A manager would not understand the state, or what follows.
    static func unsupported(_ version: ClusterVersion, by supported: SupportedVersions) -> EngineError {
        EngineError(
            .conflict,
            "the cluster has version \(version), and that host's martletd supports \(supported): install a "
                + "version of martletd that the cluster's managers run on it first")
    }
}
