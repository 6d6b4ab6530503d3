import EngineClient
import EngineModel
import Glibc
import HTTPMessages
import HTTPTransport
import JSON
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

@testable import EngineAPI

/// A server with routes of a test's own on a Unix socket in a directory of its own.
struct RunningServer {
    let path: String
    let group: ServiceGroup

    var client: EngineClient { EngineClient(address: .unix(path)) }

    /// Ends the server as martletd does at SIGTERM.
    func shutDown() async { await group.triggerGracefulShutdown() }

    /// Serves the routes that `register` makes while `body` runs.
    static func with(
        _ register: (inout Router) -> Void, _ body: @escaping @Sendable (RunningServer) async throws -> Void
    ) async throws {
        var router = Router()
        register(&router)
        let directory = "/tmp/martlet-api-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        mkdir(directory, 0o700)
        let path = directory + "/api.sock"
        defer {
            unlink(path)
            rmdir(directory)
        }
        let (listening, continuation) = AsyncStream.makeStream(of: Void.self)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = EngineServer(router: router, listeners: [.unix(path)], logger: logger) { _ in
            continuation.finish()
        }
        let group = ServiceGroup(services: [server], gracefulShutdownSignals: [], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            tasks.addTask {
                for await _ in listening {}
                do {
                    try await body(RunningServer(path: path, group: group))
                } catch {
                    await group.triggerGracefulShutdown()
                    throw error
                }
                await group.triggerGracefulShutdown()
            }
            try await tasks.waitForAll()
        }
    }
}

/// A connection on which a test writes the very bytes.
final class RawConnection: Sendable {
    let bytes: ByteChannel

    init(_ path: String) async throws {
        bytes = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(unixDomainSocketPath: path) { channel in
                channel.eventLoop.makeCompletedFuture { try ByteChannel(channel: channel) }
            }
    }

    func send(_ text: String) async throws { try await bytes.send(Array(text.utf8)) }

    /// The text up to and including `end`.
    func receive(through end: String) async throws -> String {
        var text = ""
        while !text.contains(end) {
            guard let more = try await bytes.receive() else { return text }
            text += String(decoding: more, as: UTF8.self)
        }
        return text
    }

    /// All that comes until the server ends its direction.
    func receiveToEnd() async throws -> String {
        var text = ""
        while let more = try await bytes.receive() { text += String(decoding: more, as: UTF8.self) }
        return text
    }

    func close() { bytes.close() }
}
