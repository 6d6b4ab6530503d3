import ClusterModel
import ClusterPKI
import JSON
import Testing
import Values

@testable import ClusterManager

/// What is sealed is sealed anew under another data key, step by step.
@Suite struct ResealingTests {
    private var state = ClusterState()
    private var keys = DataKeys()
    private let first: String

    private static let texts: [ClusterObject.SealedField: String] = [
        .rootKey: "the CA's key", .workerToken: "SWMTKN-1-w", .managerToken: "SWMTKN-1-m", .unlockKey: "SWMKEY-1-u",
    ]

    /// A cluster with three secrets under one key.
    init() throws {
        var generator = SystemRandomNumberGenerator()
        first = keys.add(using: &generator)
        let keys = keys
        func sealed(_ field: ClusterObject.SealedField) throws -> SealedValue {
            try keys.seal(Array(Self.texts[field]!.utf8), for: ClusterObject.place("c", field))
        }
        var cluster = ClusterObject(
            id: "c", createdAt: .epoch, spec: [:], rootCertificate: "", rootKey: try sealed(.rootKey),
            workerToken: try sealed(.workerToken), managerToken: try sealed(.managerToken), addressPools: [],
            subnetSize: 24, dataPathPort: 4789, gatewayPool: CIDR("10.192.0.0/10")!)
        cluster.sealingKey = first
        cluster.unlockKey = try sealed(.unlockKey)
        try apply(.putCluster(cluster, expected: 0))
        for id in ["1", "2", "3"] { try apply(.putSecret(try secret(id, under: first), expected: 0)) }
    }

    private mutating func apply(_ mutation: Mutation) throws {
        _ = try state.apply(Transaction(time: .epoch, mutations: [mutation]), at: state.index + 1)
    }

    private func secret(_ id: String, under key: String) throws -> SecretObject {
        SecretObject(
            id: id, createdAt: .epoch, spec: PayloadSpec(name: "name-\(id)", labels: [:], templating: nil),
            data: try keys.seal(Array("data of \(id)".utf8), for: SecretObject.place(id), under: key))
    }

    /// Seals under another key from now on.
    private mutating func rotate() throws -> String {
        var generator = SystemRandomNumberGenerator()
        let id = keys.add(using: &generator)
        var cluster = state.cluster!
        cluster.sealingKey = id
        try apply(.putCluster(cluster, expected: cluster.version.index))
        return id
    }

    private func resealing() -> Resealing { Resealing(state: state, keys: keys) }

    private func expectAllOpens(with keys: DataKeys) throws {
        for secret in state.secrets.values {
            let data = try keys.open(secret.data, for: SecretObject.place(secret.id))
            #expect(data == Array("data of \(secret.id)".utf8))
        }
        for (field, text) in Self.texts {
            // A cluster of an earlier version has no unlock key.
            guard let value = state.cluster?[field] else {
                #expect(field == .unlockKey)
                continue
            }
            #expect(try keys.open(value, for: ClusterObject.place("c", field)) == Array(text.utf8))
        }
    }

    @Test("Nothing to do where the key that seals has sealed everything")
    func nothing() throws {
        #expect(try resealing().next() == nil)
        #expect(resealing().isDone)
        #expect(try Resealing(state: ClusterState(), keys: keys).next() == nil)
        #expect(!Resealing(state: ClusterState(), keys: keys).isDone)
    }

    @Test("Secrets first, the cluster's own values last; only then the old key may go")
    mutating func rotated() throws {
        let second = try rotate()
        var steps: [ObjectKind] = []
        while let step = try resealing().next() {
            #expect(!resealing().isDone)
            try expectAllOpens(with: keys)
            if case .putSecret = step { steps.append(.secret) } else { steps.append(.cluster) }
            try apply(step)
        }
        #expect(steps == [.secret, .secret, .secret, .cluster])
        #expect(resealing().isDone)
        keys.removeKeys(olderThan: second)
        #expect(keys.ids == [second])
        try expectAllOpens(with: keys)
    }

    @Test("A rotation that another one overtakes ends with the newest key alone")
    mutating func overtaken() throws {
        let second = try rotate()
        try apply(try #require(try resealing().next()))
        let third = try rotate()
        while let step = try resealing().next() { try apply(step) }
        #expect(resealing().isDone)
        keys.removeKeys(olderThan: third)
        #expect(keys.ids == [third] && second != third)
        try expectAllOpens(with: keys)
    }

    @Test("Without the key nothing is changed")
    mutating func lost() throws {
        let second = try rotate()
        keys.remove(first)
        #expect(throws: PKIError.noDataKey(first)) { try resealing().next() }
        keys.remove(second)
        #expect(throws: PKIError.self) { try resealing().next() }
    }

    @Test("A secret that was sealed before the key changed and proposed after it is refused; labels may change")
    mutating func late() throws {
        let late = try secret("4", under: first)
        let second = try rotate()
        let refusal = #expect(throws: Refusal.self) { try apply(.putSecret(late, expected: 0)) }
        #expect(refusal?.mayBeRace == true)
        #expect(state.secrets["4"] == nil)
        try apply(.putSecret(try secret("4", under: second), expected: 0))
        var old = try #require(state.secrets["1"])
        old.spec.labels = ["a": "b"]
        try apply(.putSecret(old, expected: old.version.index))
        #expect(state.secrets["1"]?.spec.labels == ["a": "b"])
    }

    @Test("A cluster of a version that sealed neither key nor tokens has them sealed")
    mutating func earlierVersion() throws {
        let old = """
            {"id":"c","version":{"index":1},"createdAt":"2026-03-01T10:00:00Z","updatedAt":"2026-03-01T10:00:00Z",
            "spec":{},"isOpen":true,"rootCertificate":"","rootKey":"the CA's key","workerToken":"SWMTKN-1-w",
            "managerToken":"SWMTKN-1-m","addressPools":[],"subnetSize":24,"dataPathPort":4789,
            "gatewayPool":"10.192.0.0/10","nextVNI":4097}
            """
        var cluster = try JSONCoding.decode(ClusterObject.self, from: Array(old.utf8))
        #expect(cluster.rootKey == SealedValue(unsealed: "the CA's key") && cluster.sealingKey == nil)
        cluster.version = state.cluster!.version
        state = ClusterState()
        try apply(.putCluster(cluster, expected: 0))
        #expect(cluster.unlockKey == nil)
        try expectAllOpens(with: DataKeys())
        #expect(!resealing().isDone)
        while let step = try resealing().next() { try apply(step) }
        #expect(resealing().isDone && state.cluster?.sealingKey == first)
        try expectAllOpens(with: keys)
        #expect(try !String(decoding: JSONCoding.encode(state.cluster), as: UTF8.self).contains("SWMTKN"))
    }
}
