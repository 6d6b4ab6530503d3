import ClusterModel
import ClusterStore
import JSON
import RaftNode
import Synchronization
import TestSupport
import Testing
import Values

@testable import ClusterManager

/// Managers of two versions side by side.
@Suite struct RollingUpgradeTests {
    /// Of what is written meanwhile.
    private final class End: Sendable {
        let hasCome = Mutex(false)
    }

    private static let old = SupportedVersions.unstated
    private static let new = SupportedVersions.own

    private static func config(_ name: String) -> Mutation {
        .putConfig(
            ConfigObject(id: "id-\(name)", createdAt: .epoch, spec: PayloadSpec(name: name), data: ""), expected: nil)
    }

    /// What managers have to agree on.
    private struct Seen: Hashable {
        var index: UInt64
        var version: ClusterVersion
        var configs: [ConfigObject]
        var rises: [UInt64]

        init(_ store: ClusterStore) throws {
            let state = store.state
            (index, version) = (state.index, state.version)
            configs = state.configs.values.sorted { $0.id < $1.id }
            rises = try store.history(HistoryFilter(limit: 1_000)).filter {
                $0.note?.hasPrefix("cluster version") == true
            }
            .map(\.revision)
        }
    }

    private func waitForAgreement(_ group: ManagerGroup) async throws -> Seen {
        try await waitFor("agreement", within: .seconds(60), every: .milliseconds(10)) {
            let seen = try Set(group.all.values.map { try Seen($0.store) })
            return seen.count == 1 ? seen.first : nil
        }
    }

    @Test(
        "Three managers are upgraded one by one under writes: none stops, all agree, the version rises at the end, once"
    )
    func upgrade() async throws {
        let names = ["n1", "n2", "n3"]
        let group = try ManagerGroup()
        try await group.form(names, Self.old)
        let cluster = ClusterObject(
            id: "cluster", createdAt: .epoch, spec: [:], rootCertificate: "", rootKey: .init(unsealed: ""),
            workerToken: .init(unsealed: ""), managerToken: .init(unsealed: ""), addressPools: [], subnetSize: 24,
            dataPathPort: 4789, gatewayPool: CIDR("10.192.0.0/10")!)
        try await group.propose(.putCluster(cluster, expected: 0), id: "founding")

        let end = End()
        let written = try await withThrowingTaskGroup(of: [String].self) { writers -> [String] in
            for writer in 0..<3 {
                writers.addTask {
                    var names: [String] = []
                    while !end.hasCome.withLock({ $0 }) {
                        let name = "\(writer)-\(names.count)"
                        try await group.propose(Self.config(name), id: name)
                        names.append(name)
                    }
                    return names
                }
            }
            defer { end.hasCome.withLock { $0 = true } }
            for name in names {
                await group.stop(name)
                #expect(group.all.values.allSatisfy { $0.store.state.version == .first }, "before \(name)")
                try group.start(name, Self.new)
                // It has caught up, and has been asked, while writes go on.
                let target = try await group.waitForLeader().raft.status.lastIndex + 50
                try await waitUntil("\(name) takes part", within: .seconds(60), every: .milliseconds(5)) {
                    group.running(name)?.store.state.index ?? 0 > target
                }
            }
            try await waitUntil("the version rises", within: .seconds(60), every: .milliseconds(5)) {
                group.all.values.allSatisfy { $0.store.state.version == .newest }
            }
            end.hasCome.withLock { $0 = true }
            return try await writers.reduce(into: []) { $0 += $1 }
        }

        let seen = try await waitForAgreement(group)
        #expect(seen.version == .newest && seen.rises.count == 1)
        #expect(Set(seen.configs.map(\.spec.name)) == Set(written) && written.count > 100)
        #expect(group.all.values.allSatisfy { $0.raft.status.failure == nil })

        // Going back is refused, and the others go on.
        await group.stop("n1")
        #expect(throws: ClusterStoreError.unsupportedVersion(.newest, supported: Self.old)) {
            try group.start("n1", Self.old)
        }
        try await group.propose(Self.config("late"), id: "late")
        try group.start("n1", Self.new)
        let last = try await waitForAgreement(group)
        #expect(last.configs.count == written.count + 1 && last.rises == seen.rises)
        await group.stopAll()
    }

    @Test("The version waits for a manager that is down, and for one without a vote")
    func waiting() async throws {
        let group = try ManagerGroup()
        try await group.form(["n1", "n2", "n3"], Self.old)
        try group.start("n4", Self.old)
        try await group.join("n4")
        for name in ["n1", "n2"] {
            await group.stop(name)
            try group.start(name, Self.new)
        }
        await group.stop("n3")
        func decision() async throws -> VersionRise.Decision {
            let leader = try await group.waitForLeader()
            let survey = ManagerSurvey(
                versions: ManagerVersions(program: "", supported: Self.new), raft: leader.raft
            ) { member in
                group.running(member.nodeID).map { ManagerVersions(program: "", supported: $0.supported) }
            }
            return VersionRise(current: leader.store.state.version, managers: await survey.answers(of: survey.members))
                .decision
        }
        #expect(try await decision() == .wait(for: .newest, on: ["n3", "n4"]))
        await group.stop("n4")
        try group.start("n4", Self.new)
        let asked = group.questions(to: "n3")
        try await waitUntil("the leader asks in vain", within: .seconds(60), every: .milliseconds(5)) {
            group.questions(to: "n3") > asked + 2
        }
        #expect(try await decision() == .wait(for: .newest, on: ["n3"]))
        // It comes back as it was.
        try group.start("n3", Self.old)
        #expect(try await decision() == .wait(for: .newest, on: ["n3"]))
        for number in 0..<20 { try await group.propose(Self.config("\(number)"), id: "\(number)") }
        #expect(group.all.values.allSatisfy { $0.store.state.version == .first && $0.raft.status.failure == nil })
        await group.stop("n3")
        try group.start("n3", Self.new)
        try await waitUntil("the version rises", within: .seconds(60), every: .milliseconds(5)) {
            group.all.values.allSatisfy { $0.store.state.version == .newest }
        }
        await group.stopAll()
    }

    @Test("One that was told to rise without being able to stops with what to do, and goes on with another program")
    func stopping() async throws {
        let group = try ManagerGroup()
        try await group.form(["n1", "n2", "n3"], Self.old)
        try await group.propose(Self.config("a"), id: "a")
        let leader = try await group.waitForLeader()
        let name = try #require(group.all.first { !$0.value.raft.status.isLeading }?.key)
        // As if it had been given back its old program after it had answered.
        for other in group.all.keys where other != name && group.all[other]?.raft.status.isLeading == false {
            await group.stop(other)
            try group.start(other, Self.new)
        }
        let rise = Transaction(time: .epoch, mutations: [.raiseVersion(to: .newest)])
        _ = try? await leader.raft.propose(JSONCoding.encode(rise))
        try await waitUntil("\(name) stops", within: .seconds(60), every: .milliseconds(5)) {
            group.running(name)?.raft.status.failure != nil
        }
        let failure = group.running(name)?.raft.status.failure ?? ""
        #expect(failure.contains("needs cluster version \(ClusterVersion.newest)"), "\(failure)")
        #expect(failure.contains("install the version of martletd that the other managers run"))
        #expect(group.running(name)?.store.state.version == .first)
        for stopped in group.all.keys where group.running(stopped)?.raft.status.failure != nil {
            await group.stop(stopped)
            try group.start(stopped, Self.new)
        }
        try await group.propose(Self.config("b"), id: "b")
        let seen = try await waitForAgreement(group)
        #expect(seen.version == .newest && seen.configs.map(\.spec.name) == ["a", "b"])
        await group.stopAll()
    }
}
