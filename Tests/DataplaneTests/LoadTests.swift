import Dataplane
import Glibc
import LinuxSystem
import NetworkModel
import Synchronization
import TestSupport
import Testing
import Values

/// Nothing is dropped while plans change (the promise of zero-drop rollouts).
@Suite(.enabled(if: TestEnvironment.isRoot, "needs root")) struct LoadTests {
    /// New connections all the while, through every host and to the virtual address; open ones go on.
    @Test func noConnectionFailsWhileBackendsChange() async throws {
        let cluster = try TestCluster(hosts: 3)
        try await cluster.apply()
        for host in 0..<3 { for _ in 0..<2 { try await cluster.addTask(on: host) } }
        try await cluster.apply()
        let ids = cluster.tasks.map(\.id)
        let load = Load(
            places: cluster.machines.hosts.map { (cluster.machines.underlay, "\($0.address)", UInt16(8080)) }
                + [(cluster.path(cluster.tasks[0]), TestCluster.virtualAddress, 80)])
        for round in 0..<24 {
            let serving = Set(ids.enumerated().filter { ($0.offset + round) % 3 != 0 }.map(\.element))
            for receipt in try await cluster.apply(serving: serving) {
                #expect(receipt.outcome == .applied, "\(receipt)")
            }
        }
        let (count, failures) = try await load.stop()
        #expect(count > 100)
        #expect(failures.isEmpty, "\(failures.count) of \(count): \(failures.prefix(3))")
    }

    /// Connects, speaks and closes, place by place, on a thread of its own.
    private final class Load: Sendable {
        private struct State {
            var isStopped = false
            var isDone = false
            var count = 0
            var failures: [String] = []
        }

        private let state = Mutex(State())

        init(places: [(String, String, UInt16)]) {
            startThread { self.run(places) }
        }

        private func run(_ places: [(String, String, UInt16)]) {
            while !state.withLock({ $0.isStopped }) {
                for (place, address, port) in places {
                    do {
                        let connection = try TestConnection(from: place, to: address, port)
                        guard try connection.echo("ping") == "ping" else { throw SystemError("echo", errno: EPIPE) }
                        state.withLock { $0.count += 1 }
                    } catch {
                        state.withLock { $0.failures.append("\(address): \(error)") }
                    }
                }
            }
            state.withLock { $0.isDone = true }
        }

        func stop() async throws -> (Int, [String]) {
            state.withLock { $0.isStopped = true }
            try await waitUntil("the load ends") { state.withLock { $0.isDone } }
            return state.withLock { ($0.count, $0.failures) }
        }
    }
}
