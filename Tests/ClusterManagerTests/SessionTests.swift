import ClusterModel
import TestSupport
import Testing

@testable import ClusterManager

/// Which managers hosts have their sessions with, and what ends them.
@Suite struct SessionTests {
    private static func cluster(managers: Int) async throws -> [ControlHost] {
        var hosts: [ControlHost] = []
        for number in 0..<managers {
            let host = try await ControlHost("manager\(number)")
            if let first = hosts.first {
                try await host.join(first, asManager: true)
            } else {
                try await host.initialise()
            }
            hosts.append(host)
        }
        let first = hosts[0]
        try await wait("all vote") {
            first.control.shared.withLock(\.manager)?.raft.status.members.count(where: \.isVoter) == managers
        }
        return hosts
    }

    @Test("A manager that does not lead serves its own host, and the leader knows that it lives")
    func followers() async throws {
        let hosts = try await Self.cluster(managers: 2)
        for host in hosts {
            let id = try #require(host.record?.nodeID)
            try await wait("\(host.name) serves itself") { host.servedNodes.contains(id) }
            try await wait("the log says so") { hosts[0].state?.nodes[id]?.session != nil }
            try await wait("\(host.name) is ready") { hosts[0].state?.nodes[id]?.status.state == .ready }
        }
        // Longer than the lease: what keeps it alive is what the other manager reports of it.
        let follower = try #require(hosts.first { !$0.isLeading })
        let id = try #require(follower.record?.nodeID)
        let deadline = ContinuousClock.now + .nanoseconds(SessionTestTiming.longerThanLease)
        try await wait("the lease would be over") { ContinuousClock.now > deadline }
        try await wait("it is still ready") { hosts[0].state?.nodes[id]?.status.state == .ready }
        for host in hosts.reversed() { await host.stop() }
    }

    @Test("Managers that go on when a leader is gone serve their hosts, which are ready")
    func newLeader() async throws {
        let hosts = try await Self.cluster(managers: 3)
        let leader = try #require(hosts.first { $0.isLeading })
        let others = hosts.filter { $0 !== leader }
        for host in others {
            let id = try #require(host.record?.nodeID)
            try await wait("\(host.name) serves itself") { host.servedNodes.contains(id) }
            try await wait("\(host.name) is ready") { host.state?.nodes[id]?.status.state == .ready }
        }
        let ids = Set(others.compactMap { $0.record?.nodeID })
        await leader.stop()
        try await wait("another leads") { others.contains(where: \.isLeading) }
        let gone = try #require(leader.record?.nodeID)
        try await wait("the first is down") {
            others[0].state?.nodes[gone]?.status.state == .down
        }
        try await wait("those that go on serve them") {
            others.reduce(into: Set<String>()) { $0.formUnion($1.servedNodes) }.isSuperset(of: ids)
        }
        try await wait("they are ready") {
            ids.allSatisfy { id in others.allSatisfy { $0.state?.nodes[id]?.status.state == .ready } }
        }
        for host in others { await host.stop() }
    }

    @Test("A manager that hears of no leader ends its sessions: nobody stays with one that knows nothing")
    func alone() async throws {
        let hosts = try await Self.cluster(managers: 2)
        let worker = try await ControlHost("worker")
        try await worker.join(hosts[0], asManager: false)
        let id = try #require(worker.record?.nodeID)
        try await wait("the worker is ready") { hosts[0].state?.nodes[id]?.status.state == .ready }
        try await wait("somebody serves it") { hosts.contains { $0.servedNodes.contains(id) } }
        await hosts[1].stop()
        try await wait("the other serves nobody") { hosts[0].servedNodes.isEmpty }
        for host in [hosts[0], worker] { await host.stop() }
    }
}

/// On a busy machine leases are renewed before they are over.
private func wait(_ what: String, _ condition: () async throws -> Bool) async throws {
    try await waitUntil(what, within: .seconds(60), condition)
}

private enum SessionTestTiming {
    static let longerThanLease: Int64 = 6_000_000_000
}
