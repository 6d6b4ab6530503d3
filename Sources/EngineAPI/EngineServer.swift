import ClusterManager
import Engine
import EngineModel
import Glibc
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// The HTTP server of the Docker Engine API over this host's engine and its control plane.
public struct EngineServer: Service, CustomStringConvertible {
    /// Connections that wait to be accepted, for each listener.
    static let backlog = 1024

    private let listeners: [ListenAddress]
    private let responder: Responder
    private let logger: Logger
    private let onListening: @Sendable ([ListenAddress]) async -> Void

    /// As the log names it.
    public var description: String { "the API" }

    /// - Parameters:
    ///   - cluster: nil answers the cluster's routes as a host outside a cluster does.
    ///   - onListening: called once when every listener accepts, with the ports that were taken.
    public init(
        engine: Engine, cluster: ControlPlane?, listeners: [ListenAddress], logger: Logger,
        onListening: @escaping @Sendable ([ListenAddress]) async -> Void = { _ in }
    ) {
        self.init(
            router: Router(engine: engine, cluster: cluster), listeners: listeners, logger: logger,
            onListening: onListening)
    }

    init(
        router: Router, listeners: [ListenAddress], logger: Logger,
        onListening: @escaping @Sendable ([ListenAddress]) async -> Void = { _ in }
    ) {
        responder = Responder(router: router, logger: logger)
        self.listeners = listeners
        self.logger = logger
        self.onListening = onListening
    }

    /// Serves until a graceful shutdown: requests under way are answered, streams are ended.
    public func run() async throws {
        precondition(!listeners.isEmpty, "a server listens somewhere")
        let bound = Bound(count: listeners.count, onListening)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, listener) in listeners.enumerated() {
                let server = server(listener) { address in await bound.set(index, address) }
                group.addTask { try await server.run() }
            }
            for try await _ in group {}
        }
    }

    private func server(
        _ listener: ListenAddress, _ onRunning: @escaping @Sendable (ListenAddress) async -> Void
    ) -> Server<ConnectionSetup> {
        let address: BindAddress =
            switch listener {
            case .unix(let path): .unixDomainSocket(path: path)
            case .tcp(let host, let port): .hostname(host, port: port)
            }
        return Server(
            childChannelSetup: ConnectionSetup(responder: responder),
            configuration: ServerConfiguration(address: address, backlog: Self.backlog),
            onServerRunning: { channel in
                switch listener {
                case .unix(let path):
                    chmod(path, 0o660)
                    await onRunning(listener)
                case .tcp(let host, let port):
                    await onRunning(.tcp(host: host, port: channel.localAddress?.port ?? port))
                }
            },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: logger)
    }

    /// Counts the listeners that accept.
    private actor Bound {
        private var addresses: [ListenAddress?]
        private let onListening: @Sendable ([ListenAddress]) async -> Void

        init(count: Int, _ onListening: @escaping @Sendable ([ListenAddress]) async -> Void) {
            addresses = Array(repeating: nil, count: count)
            self.onListening = onListening
        }

        func set(_ index: Int, _ address: ListenAddress) async {
            addresses[index] = address
            let known = addresses.compactMap { $0 }
            if known.count == addresses.count { await onListening(known) }
        }
    }
}
