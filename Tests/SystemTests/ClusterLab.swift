import Lab
import LinuxSystem
import TestSupport
import Testing
import Values

/// Gives a suite one lab for all its tests and takes it down at the end, whatever happened; nothing of it may stay.
struct ClusterLab: SuiteTrait, TestScoping {
    let configuration: LabConfiguration
    var formsSwarm = true
    /// What daemons have in their environment beside the usual, as `NAME=value`.
    var daemonEnvironment: [String] = []
    /// Runs when the swarm is formed.
    var prepare: @Sendable (Cluster) async throws -> Void = { _ in }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        // What an earlier run that was killed left behind.
        try? await RunningLab.leftover(configuration.name).down()
        var traces = LabTraces(of: configuration.name)
        let lab = try await RunningLab.up(
            configuration,
            options: LabOptions(
                formsSwarm: formsSwarm, programs: Cluster.programs, daemonEnvironment: daemonEnvironment))
        let cluster = Cluster(lab: lab)
        do {
            try await prepare(cluster)
            try await Cluster.$current.withValue(cluster) { try await function() }
            traces.note()
        } catch {
            try? await lab.down()
            throw error
        }
        try await lab.down()
        #expect(traces.notedNetworks > configuration.hosts.count)
        #expect(try await traces.left() == [])
    }

    /// Managers h1 and so on, then workers w1 and so on.
    static func hosts(
        _ name: String, managers: Int, workers: Int = 0, subnet: Int, formsSwarm: Bool = true,
        daemonEnvironment: [String] = [],
        prepare: @escaping @Sendable (Cluster) async throws -> Void = { _ in }
    ) -> ClusterLab {
        let hosts =
            (1...managers).map { LabConfiguration.Host(name: "h\($0)", labels: ["zone": $0 == 1 ? "a" : "b"]) }
            + (0..<workers).map { LabConfiguration.Host(name: "w\($0 + 1)", role: .worker) }
        let underlay = LabConfiguration.Underlay(ipv4: CIDR("10.\(subnet).0.0/24")!, ipv6: CIDR("fd\(subnet)::/64")!)
        return ClusterLab(
            configuration: LabConfiguration(name: name, hosts: hosts, underlay: underlay), formsSwarm: formsSwarm,
            daemonEnvironment: daemonEnvironment, prepare: prepare)
    }
}

/// Whole clusters on this machine. Their suites run one after the other: each has a lab.
@Suite(.serialized, .enabled(if: Cluster.canRun, "labs need root and the programs beside the tests"))
enum ClusterTests {}
