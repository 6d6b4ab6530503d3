import ClusterModel
import ClusterPKI
import EngineModel
import LinuxSystem
import Values

// MARK: Configs

extension ControlPlane {
    /// Creates a config; returns its identifier. That its name is free shows when it is applied.
    public func createConfig(_ request: PayloadRequest) async throws(EngineError) -> String {
        _ = try manager()
        let spec = try request.spec()
        let data = try request.bytes(.config, limit: ConfigObject.dataLimit)
        var generator = SystemRandomNumberGenerator()
        let id = Identifiers.swarm(using: &generator)
        let config = ConfigObject(id: id, createdAt: Clock.now(), spec: spec, data: Base64.encode(data))
        try await propose([.putConfig(config, expected: 0)])
        return id
    }

    /// Changes the labels, which is all that may be changed.
    public func updateConfig(_ id: String, version: UInt64, _ request: PayloadRequest) async throws(EngineError) {
        guard var config = try await state().configs[id] else { throw EngineError(.notFound, "config \(id) not found") }
        try request.requireUnchanged(config.spec) { Base64.decode(config.data) ?? [] }
        config.spec.labels = request.labels
        try await propose([.putConfig(config, expected: version)])
    }

    public func removeConfig(_ id: String) async throws(EngineError) {
        try await propose([.removeConfig(id, expected: nil)])
    }
}

// MARK: Secrets

extension ControlPlane {
    /// Creates a secret, sealed before anybody else sees it; returns its identifier.
    public func createSecret(_ request: PayloadRequest) async throws(EngineError) -> String {
        _ = try manager()
        let spec = try request.spec()
        let data = try request.bytes(.secret, limit: SecretObject.dataLimit)
        var generator = SystemRandomNumberGenerator()
        let id = Identifiers.swarm(using: &generator)
        try await change { state throws(EngineError) in
            let sealing = state.cluster?.sealingKey
            let keys = try await self.dataKeys(with: sealing)
            let sealed = try keys.sealed(data, for: SecretObject.place(id), under: sealing)
            let secret = SecretObject(id: id, createdAt: Clock.now(), spec: spec, data: sealed)
            return [.putSecret(secret, expected: 0)]
        }
        return id
    }

    /// Changes the labels, which is all that may be changed.
    public func updateSecret(_ id: String, version: UInt64, _ request: PayloadRequest) async throws(EngineError) {
        guard var secret = try await state().secrets[id] else { throw EngineError(.notFound, "secret \(id) not found") }
        let keys = request.data.isEmpty ? DataKeys() : try await dataKeys(with: secret.data.keyID)
        try request.requireUnchanged(secret.spec) { () throws(EngineError) in
            try keys.opened(secret.data, for: SecretObject.place(id))
        }
        secret.spec.labels = request.labels
        try await propose([.putSecret(secret, expected: version)])
    }

    public func removeSecret(_ id: String) async throws(EngineError) {
        try await propose([.removeSecret(id, expected: nil)])
    }
}
