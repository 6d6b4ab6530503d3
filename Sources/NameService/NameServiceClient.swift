import Executors
import Glibc
import LinuxSystem
import Logging
import NetworkModel

/// A host's connection to its martlet-net, which this starts where it is missing and which outlives this process.
///
/// A lost connection is noticed, opened again (with a new martlet-net where the old one is gone) and the last picture
/// is sent anew. Where the program on the disk is newer than the one that runs, the newer one takes over.
public actor NameServiceClient {
    /// How often the connection is looked at.
    private static let lookInterval: Duration = .milliseconds(250)
    /// The longest wait after failures to connect.
    private static let longestWait: Duration = .seconds(5)

    private let executor = ThreadExecutor(name: "names")
    private let socketPath: String
    private let program: String
    private let logger: Logger
    private var channel: ControlChannel?
    /// What martlet-net answers by over this connection; nil before it has said so.
    private var acknowledged: DNSPicture?
    /// What it ought to answer by.
    private var wanted: DNSPicture?
    private var watcher: Task<Void, Never>?

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - socketPath: martlet-net's control socket, `run/net.sock`.
    ///   - program: the path of `martlet-net`.
    public init(socketPath: String, program: String, logger: Logger) {
        self.socketPath = socketPath
        self.program = program
        self.logger = logger
    }

    deinit { watcher?.cancel() }

    /// Makes the picture the one that martlet-net answers by; returns when it does. Sends only what changed since the
    /// last one. Calls are carried out in order.
    ///
    /// A sandbox must leave the picture before its namespace is removed: martlet-net's sockets keep the namespace
    /// alive.
    @discardableResult
    public func apply(_ picture: DNSPicture) async throws(NameServiceError) -> NameReceipt {
        wanted = picture
        watch()
        do {
            return try send(picture)
        } catch {
            // A connection that broke meanwhile: once more over a new one.
            channel = nil
            return try send(picture)
        }
    }

    private func send(_ picture: DNSPicture) throws(NameServiceError) -> NameReceipt {
        let channel = try connected()
        var request = ControlRequest(kind: .picture, picture: picture)
        if let acknowledged {
            request = ControlRequest(kind: .change, change: PictureChange(from: acknowledged, to: picture))
        }
        try channel.send(request)
        let receipt = try channel.receive(.applied).reply.receipt
        guard let receipt, receipt.revision == picture.revision else {
            throw NameServiceError.connection("it acknowledged another revision")
        }
        acknowledged = picture
        return receipt
    }

    /// The connection, opened where there is none; starts martlet-net where nobody listens.
    private func connected() throws(NameServiceError) -> ControlChannel {
        if let channel, !channel.isClosed { return channel }
        channel = nil
        acknowledged = nil
        let (opened, running): (ControlChannel, String?)
        do {
            (opened, running) = try open()
        } catch {
            guard case .system(let cause) = error, cause.errno == ENOENT || cause.errno == ECONNREFUSED else {
                throw error
            }
            try start([])
            channel = try open().0
            return channel!
        }
        channel = opened
        if let running, let current = Sockets.programIdentity(program), running != current {
            do {
                try start(["--take-over"])
                channel = try open().0
            } catch {
                logger.warning("the newer martlet-net could not take over", metadata: ["error": "\(error)"])
            }
        }
        return channel!
    }

    private func open() throws(NameServiceError) -> (ControlChannel, String?) {
        let opened = try ControlChannel(socketPath: socketPath)
        return (opened, try opened.receive(.hello).reply.program)
    }

    /// Starts martlet-net, which detaches itself and returns when it listens.
    private func start(_ options: [String]) throws(NameServiceError) {
        do {
            try Files.makeDirectories(Files.parent(of: socketPath))
            let null = try Descriptor.open("/dev/null", O_RDWR)
            let log = try Descriptor.open(socketPath + ".log", O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            let child = try ChildProcess.spawn(
                program, [program, "--socket", socketPath] + options, environment: [],
                descriptors: [null.rawValue, log.rawValue, log.rawValue], inNewSession: true)
            let code = try ChildProcess.wait(child)
            guard code == 0 else {
                let text = (try? Files.text(socketPath + ".log")) ?? ""
                throw NameServiceError.connection("\(program) did not start (\(code)): \(text.prefix(500))")
            }
            logger.info("martlet-net started", metadata: ["options": "\(options.joined(separator: " "))"])
        } catch let error as NameServiceError {
            throw error
        } catch let error as SystemError {
            throw NameServiceError.system(error)
        } catch {
            throw NameServiceError.connection("\(error)")
        }
    }

    /// Looks after the connection from time to time.
    private func watch() {
        guard watcher == nil else { return }
        watcher = Task { [weak self] in
            var pause = Self.lookInterval
            while !Task.isCancelled {
                try? await Task.sleep(for: pause)
                guard let isFine = await self?.look() else { return }
                pause = isFine ? Self.lookInterval : min(pause * 2, Self.longestWait)
            }
        }
    }

    /// Sends the wanted picture anew where the connection was lost; false where that fails.
    private func look() -> Bool {
        guard let wanted, channel?.isClosed ?? true || acknowledged != wanted else { return true }
        do {
            _ = try send(wanted)
            logger.info("martlet-net has the names again", metadata: ["revision": "\(wanted.revision)"])
            return true
        } catch {
            channel = nil
            logger.error("martlet-net cannot be reached", metadata: ["error": "\(error)"])
            return false
        }
    }

    /// Closes the connection; martlet-net goes on answering.
    public func disconnect() {
        watcher?.cancel()
        watcher = nil
        wanted = nil
        channel = nil
        acknowledged = nil
    }

    /// Ends martlet-net: names are no longer answered.
    public func stopService() async throws(NameServiceError) {
        let opened: ControlChannel
        do { opened = try open().0 } catch {
            disconnect()
            if case .system(let cause) = error, cause.errno == ENOENT || cause.errno == ECONNREFUSED { return }
            throw error
        }
        disconnect()
        try opened.send(ControlRequest(kind: .stop))
        _ = try opened.receive(.done)
    }
}
