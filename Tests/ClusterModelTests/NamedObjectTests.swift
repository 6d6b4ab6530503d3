import ClusterModel
import JSON
import Testing
import Values

/// Configs and secrets in the state: names are taken once, versions are checked, what is gone frees its name.
@Suite struct NamedObjectTests {
    private func config(_ id: String, _ name: String, labels: [String: String] = [:]) -> ConfigObject {
        ConfigObject(id: id, createdAt: .epoch, spec: PayloadSpec(name: name, labels: labels), data: "ZGF0YQ==")
    }

    private func secret(_ id: String, _ name: String) -> SecretObject {
        SecretObject(
            id: id, createdAt: .epoch, spec: PayloadSpec(name: name), data: SealedValue(keyID: "k", box: "Ym94"))
    }

    @discardableResult
    private func apply(_ state: inout ClusterState, _ mutations: Mutation...) throws(Refusal) -> [AppliedChange] {
        let time = Timestamp(secondsSinceEpoch: Int64(state.index) + 1)
        return try state.apply(Transaction(time: time, mutations: mutations), at: state.index + 1)
    }

    @Test("A name is free again when its holder is gone, and each kind has names of its own")
    func names() throws {
        var state = ClusterState()
        #expect(
            try apply(&state, .putConfig(config("1", "a"), expected: 0))
                == [AppliedChange(kind: .config, id: "1", action: .create, after: .config(name: "a"))])
        try apply(&state, .putSecret(secret("1", "a"), expected: 0))
        #expect(throws: Refusal.alreadyExists(kind: .config, name: "a")) {
            try apply(&state, .putConfig(config("2", "a"), expected: 0))
        }
        #expect(throws: Refusal.alreadyExists(kind: .secret, name: "a")) {
            try apply(&state, .putSecret(secret("2", "a"), expected: 0))
        }
        #expect(state.configs.named("a")?.id == "1" && state.secrets.named("a")?.id == "1")
        try apply(&state, .removeConfig("1", expected: nil))
        #expect(state.configs.named("a") == nil && state.configs["1"] == nil && state.configs.isEmpty)
        try apply(&state, .putConfig(config("2", "a"), expected: 0))
        #expect(state.configs.named("a")?.id == "2")
        #expect(throws: Refusal.notFound(kind: .config, id: "1")) {
            try apply(&state, .removeConfig("1", expected: nil))
        }
        try apply(&state, .removeSecret("1", expected: nil))
        #expect(state.secrets.isEmpty)
    }

    @Test("A write about an older version changes nothing; versions and times come from the log")
    func versions() throws {
        var state = ClusterState()
        try apply(&state, .putConfig(config("1", "a"), expected: 0))
        #expect(state.configs["1"]?.version.index == 1)
        try apply(&state, .putConfig(config("1", "a", labels: ["x": "1"]), expected: 1))
        #expect(state.configs["1"]?.version.index == 2)
        #expect(state.configs["1"]?.updatedAt == Timestamp(secondsSinceEpoch: 2))
        #expect(state.configs["1"]?.createdAt == .epoch)
        for mutation in [
            Mutation.putConfig(config("1", "a", labels: ["x": "2"]), expected: 1), .removeConfig("1", expected: 1),
        ] {
            #expect(throws: Refusal.versionMismatch(kind: .config, id: "1")) { try apply(&state, mutation) }
        }
        #expect(state.configs["1"]?.spec.labels == ["x": "1"])
        #expect(throws: Refusal.alreadyExists(kind: .config, name: "1")) {
            try apply(&state, .putConfig(config("1", "b"), expected: 0))
        }
    }

    @Test("A refusal changes nothing, whether one mutation is refused or the last of several")
    func refusals() throws {
        var state = ClusterState()
        try apply(&state, .putConfig(config("1", "a"), expected: 0), .putSecret(secret("1", "a"), expected: 0))
        let network = NetworkObject(
            id: "n", createdAt: .epoch, spec: .init(name: "net"), subnet: CIDR("10.0.0.0/24")!,
            gateway: IPAddress("10.0.0.1")!, vni: 1)
        try apply(&state, .putNetwork(network, expected: 0))
        for refused in [
            Mutation.putConfig(config("2", "a"), expected: 0), .putConfig(config("1", "b"), expected: 1000),
            .removeConfig("2", expected: nil), .putSecret(secret("3", "a"), expected: nil),
            .removeSecret("1", expected: 1000), .putNetwork(network, expected: 1000),
            .removeNetwork("m", expected: nil), .removeService("s", expected: nil), .removeNode("n", expected: nil),
        ] {
            for mutations in [[refused], [.putConfig(config("9", "new"), expected: 0), refused]] {
                #expect(throws: Refusal.self) {
                    try state.apply(Transaction(time: .epoch, id: "t", mutations: mutations), at: state.index + 1)
                }
                #expect(state.configs.values.map(\.name) == ["a"] && state.secrets.values.map(\.id) == ["1"])
                #expect(state.configs["1"]?.version.index == 1 && state.secrets["1"]?.version.index == 1)
                #expect(state.networks.values.map(\.version.index) == [2])
                #expect(state.recentTransactions.isEmpty, "it may be asked for again")
            }
        }
    }

    @Test("A copy of the state is a snapshot: what comes later is not in it")
    func copies() throws {
        var state = ClusterState()
        try apply(&state, .putSecret(secret("1", "a"), expected: 0))
        let before = state
        try apply(&state, .removeSecret("1", expected: nil), .putSecret(secret("2", "a"), expected: 0))
        #expect(before.secrets.named("a")?.id == "1" && before.secrets.count == 1)
        #expect(state.secrets.named("a")?.id == "2" && state.secrets.count == 1)
    }

    @Test("Mutations are the same after the log")
    func encoding() throws {
        var object = config("1", "a", labels: ["x": "y"])
        object.spec.templating = ["Name": "golang"]
        for mutation in [
            Mutation.putConfig(object, expected: 0), .putSecret(secret("1", "a"), expected: nil),
            .removeConfig("1", expected: 7), .removeSecret("1", expected: nil),
        ] {
            #expect(try JSONCoding.decode(Mutation.self, from: JSONCoding.encode(mutation)) == mutation)
        }
    }
}
