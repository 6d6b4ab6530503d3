import ClusterModel
import ClusterPKI
import EngineModel
import JSON

/// This manager's data keys: made with the cluster, received when joining, kept in a file of their own.
extension ControlPlane {
    /// The keys; asks the leader where this manager does not hold the one that is wanted.
    ///
    /// - Parameter id: a key that has to be among them; nil for any that seals.
    func dataKeys(with id: String? = nil) async throws(EngineError) -> DataKeys {
        let keys = shared.withLock(\.dataKeys)
        if id.map(keys.ids.contains) ?? !keys.ids.isEmpty { return keys }
        do {
            if try manager().isLeading { return try makeDataKeys() }
            let answer = try await callLeader(ClusterMethodNames.dataKeys, [])
            return try take(JSONCoding.decode(DataKeys.self, from: answer))
        } catch {
            throw EngineError(any: error)
        }
    }

    /// Makes the first key of a cluster that has sealed nothing yet; otherwise its keys have been lost.
    @discardableResult
    func makeDataKeys() throws -> DataKeys {
        if let state = localState, let secret = state.secrets.values.first(where: { _ in true }) {
            throw PKIError.noDataKey(secret.data.keyID)
        }
        var generator = SystemRandomNumberGenerator()
        var keys = DataKeys()
        keys.add(using: &generator)
        return try take(keys)
    }

    /// Adds keys to those of this manager, durably.
    @discardableResult
    func take(_ keys: DataKeys) throws -> DataKeys {
        try recordWrites.withLock { _ in
            var all = shared.withLock(\.dataKeys)
            let known = all
            all.merge(keys)
            if all != known { try all.save(directory: directory) }
            shared.withLock { [all] in $0.dataKeys = all }
            return all
        }
    }
}

extension DataKeys {
    func sealed(_ bytes: [UInt8], for place: SealedValue.Place) throws(EngineError) -> SealedValue {
        do { return try seal(bytes, for: place) } catch { throw EngineError(.internalError, "\(error)") }
    }

    func opened(_ value: SealedValue, for place: SealedValue.Place) throws(EngineError) -> [UInt8] {
        do { return try open(value, for: place) } catch { throw EngineError(.internalError, "\(error)") }
    }
}
