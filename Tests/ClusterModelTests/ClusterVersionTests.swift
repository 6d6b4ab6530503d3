import ClusterModel
import JSON
import Testing
import Values

@Suite struct ClusterVersionTests {
    private func apply(_ state: inout ClusterState, _ transaction: Transaction) throws(Refusal) {
        _ = try state.apply(transaction, at: state.index + 1)
    }

    private func raise(to number: Int) -> Transaction {
        Transaction(time: .epoch, mutations: [.raiseVersion(to: ClusterVersion(number))])
    }

    @Test("The version begins at the first, rises, and never falls")
    func rising() throws {
        var state = ClusterState()
        #expect(state.version == .first)
        try apply(&state, raise(to: 3))
        #expect(state.version == ClusterVersion(3))
        try apply(&state, raise(to: 2))
        #expect(state.version == ClusterVersion(3))
    }

    @Test("A transaction says which version it needs, and only where that is not the first")
    func needs() throws {
        let old = Transaction(time: .epoch, mutations: [.removeTask("t")])
        #expect(old.needs == nil)
        let text = #"{"mutations":[{"removeTask":{"_0":"t"}}],"time":"1970-01-01T00:00:00Z"}"#
        #expect(try JSONCoding.verbatim.value(of: old).text == text, "older managers see what they always saw")
        #expect(raise(to: 2).needs == ClusterVersion(2))
        #expect(raise(to: 1).needs == .stated, "the mutation itself is of that version")
        #expect(try JSONCoding.verbatim.value(of: raise(to: 3))["needs"] == 3)
    }

    @Test("A policy with a witness is for clusters whose leaders all know what one is")
    func witnesses() {
        func needs(_ policy: JSONValue) -> ClusterVersion? {
            let sealed = SealedValue(unsealed: "")
            let cluster = ClusterObject(
                id: "c", createdAt: .epoch, spec: ["Managers": policy], rootCertificate: "", rootKey: sealed,
                workerToken: sealed, managerToken: sealed, addressPools: [], subnetSize: 24, dataPathPort: 4789,
                gatewayPool: CIDR("10.0.0.0/8")!)
            return Transaction(time: .epoch, mutations: [.putCluster(cluster, expected: nil)]).needs
        }
        #expect(needs(["Voters": 3, "Witness": ""]) == nil)
        #expect(needs(["Witness": "w"]) == .stated)
    }

    @Test("What needs a higher version than the cluster has is refused, and is an entry all the same")
    func refusals() throws {
        var state = ClusterState()
        var newer = Transaction(time: .epoch, mutations: [.removeTask("t")])
        newer.needs = ClusterVersion(3)
        #expect(state.objection(to: newer)?.description.contains("needs cluster version 3") == true)
        #expect(throws: Refusal.self) { try apply(&state, newer) }
        #expect(state.index == 1)
        try apply(&state, raise(to: 3))
        #expect(state.objection(to: newer) == nil)
        try apply(&state, newer)
        // A transaction may raise the version that it needs itself: the first one of a new cluster.
        var founding = Transaction(
            time: .epoch, mutations: [.raiseVersion(to: ClusterVersion(5)), .removeTask("t")])
        founding.needs = ClusterVersion(5)
        #expect(state.objection(to: founding) == nil)
        founding.needs = ClusterVersion(6)
        #expect(state.objection(to: founding) != nil)
    }
}
