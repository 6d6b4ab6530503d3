import ClusterModel
import Glibc
import LinuxSystem
import Logging
import SessionModel
import TestSupport
import Values

@testable import ClusterManager

/// A host's control plane on a port of the loopback, with an agent that only says that it lives.
final class ControlHost: Sendable {
    let name: String
    let port: UInt16
    let control: ControlPlane
    private let folder: TemporaryDirectory
    private let agent: Task<Void, Never>

    /// Starts one that is in no cluster.
    ///
    /// - Parameters:
    ///   - port: nil for one that is free.
    ///   - folder: nil for one of its own.
    convenience init(_ name: String, port: UInt16? = nil, in folder: TemporaryDirectory? = nil) async throws {
        try await self.init(name, port ?? Self.freePort(), folder ?? TemporaryDirectory(name))
    }

    /// The next life of one that was stopped.
    func restarted() async throws -> ControlHost { try await ControlHost(name, port, folder) }

    private init(_ name: String, _ port: UInt16, _ folder: TemporaryDirectory) async throws {
        (self.name, self.port, self.folder) = (name, port, folder)
        let description = NodeDescription(
            hostname: name, platform: NodeDescription.Platform(architecture: "x86_64"),
            resources: NodeDescription.Resources(nanoCPUs: 0, memoryBytes: 0),
            engine: NodeDescription.Engine(engineVersion: "test"))
        var logger = Logger(label: name)
        logger.logLevel = .critical
        let control = ControlPlane(
            configuration: ControlPlaneConfiguration(
                directory: folder.path("cluster"), port: port, description: description), logger: logger)
        self.control = control
        try await control.start()
        agent = Task {
            while !Task.isCancelled {
                try? await control.withSession { session in
                    try await session.send(.hello(AgentHello(description: description, bootID: name)))
                    for try await _ in session.messages { try await session.send(.heartbeat) }
                }
                try? await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    deinit { agent.cancel() }

    /// The nodes that have their sessions with its manager.
    var servedNodes: Set<String> { control.shared.withLock(\.manager)?.sessions.nodes ?? [] }

    var isLeading: Bool { control.shared.withLock(\.manager)?.isLeading ?? false }

    /// Ends it as a daemon's end does: nobody is told.
    func stop() async {
        agent.cancel()
        await control.shutdown()
        await agent.value
    }

    var address: String { "127.0.0.1:\(port)" }
    var record: NodeRecord? { control.shared.withLock(\.record) }
    var state: ClusterState? { control.localState }

    func initialise() async throws {
        _ = try await control.initialise(
            SwarmInitRequest(
                listenAddr: "", advertiseAddr: address, dataPathAddr: "", dataPathPort: 0, subnetSize: 0,
                forceNewCluster: false, availability: ""))
    }

    func join(_ manager: ControlHost, asManager: Bool) async throws {
        guard let cluster = manager.state?.cluster else { return }
        let tokens = try await manager.control.joinTokens(of: cluster)
        try await control.join(
            SwarmJoinRequest(
                listenAddr: "", advertiseAddr: address, dataPathAddr: "", remoteAddrs: [manager.address],
                joinToken: asManager ? tokens.manager : tokens.worker, availability: ""))
    }

    /// A port that nobody listened on a moment ago.
    private static func freePort() throws -> UInt16 {
        let listener = try syscall("socket") { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                try syscall("bind") { bind(listener, pointer, length) }
                try syscall("getsockname") { getsockname(listener, pointer, &length) }
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }
}
