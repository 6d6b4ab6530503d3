import ClusterModel
import ClusterPKI

/// What is left to do until everything in a state is sealed under the one data key that seals: a value, asked again
/// after each step.
struct Resealing {
    var state: ClusterState
    var keys: DataKeys

    /// The next change, for the leader to propose; nil where everything is as it should be.
    ///
    /// The cluster's own values come last: when they are sealed anew, nothing names an older key.
    func next() throws(PKIError) -> Mutation? {
        guard var cluster = state.cluster else { return nil }
        guard let sealing = cluster.sealingKey else {
            // Nothing has named one yet: a cluster of an earlier version.
            guard let newest = keys.ids.last else { throw .noDataKey(nil) }
            cluster.sealingKey = newest
            return .putCluster(cluster, expected: cluster.version.index)
        }
        let left = state.secrets.values.lazy.filter { $0.data.keyID != sealing }
        if var secret = left.min(by: { $0.id < $1.id }) {
            secret.data = try renewed(secret.data, SecretObject.place(secret.id), under: sealing)
            return .putSecret(secret, expected: secret.version.index)
        }
        let before = cluster
        for field in ClusterObject.SealedField.allCases {
            guard let value = cluster[field], value.keyID != sealing else { continue }
            cluster[field] = try renewed(value, ClusterObject.place(cluster.id, field), under: sealing)
        }
        return cluster == before ? nil : .putCluster(cluster, expected: cluster.version.index)
    }

    /// Whether keys older than the one that seals are of no use any more.
    var isDone: Bool {
        guard let cluster = state.cluster, let sealing = cluster.sealingKey else { return false }
        return state.secrets.values.allSatisfy { $0.data.keyID == sealing }
            && ClusterObject.SealedField.allCases.allSatisfy { cluster[$0].map { $0.keyID == sealing } ?? true }
    }

    private func renewed(
        _ value: SealedValue, _ place: SealedValue.Place, under id: String
    ) throws(PKIError) -> SealedValue {
        try keys.seal(keys.open(value, for: place), for: place, under: id)
    }
}
