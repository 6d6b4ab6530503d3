import ClusterModel
import JSON
import Values

/// Configs and secrets, whose data never changes.
extension RollbackPlanner {
    mutating func changeConfigs(using generator: inout some RandomNumberGenerator) throws(RollbackRefusal) {
        for config in state.configs.values.sorted(by: { $0.name < $1.name }) {
            let object = ObjectReference(kind: .config, id: config.id)
            guard past[object] == nil else { continue }
            try take(.removeConfig(config.id, expected: config.version.index))
            note(object, config.name, .removed)
        }
        for record in records(.config) {
            guard let spec = record.specification.flatMap(Specifications.payloadSpec),
                let data = record.specification?["Data"]?.string
            else { throw .unreadable(kind: .config, name: record.name) }
            if var config = state.configs[record.object.id] {
                guard config.spec != spec else { continue }
                let before = Specifications.document(of: config)
                config.spec = spec
                try take(.putConfig(config, expected: config.version.index))
                let fields = SpecificationDifference.fields(before, Specifications.document(of: config))
                note(record.object, spec.name, .updated, fields: fields)
            } else {
                let new = ConfigObject(
                    id: Identifiers.swarm(using: &generator), createdAt: now, spec: spec, data: data)
                try take(.putConfig(new, expected: 0))
                note(
                    ObjectReference(kind: .config, id: new.id), spec.name, .created,
                    remark: "it was \(record.object.id)")
            }
        }
    }

    mutating func changeSecrets() throws(RollbackRefusal) {
        for secret in state.secrets.values.sorted(by: { $0.name < $1.name }) {
            let object = ObjectReference(kind: .secret, id: secret.id)
            guard past[object] == nil else { continue }
            try take(.removeSecret(secret.id, expected: secret.version.index))
            note(object, secret.name, .removed)
        }
        for record in records(.secret) {
            guard let spec = record.specification.flatMap(Specifications.payloadSpec) else {
                throw .unreadable(kind: .secret, name: record.name)
            }
            guard var secret = state.secrets[record.object.id] else {
                except(record.object, record.name, "its data is not kept: it would have to be created again")
                continue
            }
            guard secret.spec != spec else { continue }
            let before = Specifications.document(of: secret.spec)
            secret.spec = spec
            try take(.putSecret(secret, expected: secret.version.index))
            let fields = SpecificationDifference.fields(before, Specifications.document(of: spec))
            note(record.object, spec.name, .updated, fields: fields)
        }
    }
}
