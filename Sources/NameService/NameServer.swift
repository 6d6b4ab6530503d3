import CLinux
import Glibc
import LinuxSystem
import Logging
import NetworkModel
import Values

/// Answers names at 127.0.0.11:53 in every sandbox, and passes on what is not the cluster's.
///
/// One thread: `run` is its loop. Sockets are opened inside the sandboxes' namespaces; the servers for other names are
/// asked from the namespace that `run` is called in.
public final class NameServer {
    /// The most questions that wait for other servers, in all and from one sandbox.
    static let forwardLimit = 1024
    static let forwardLimitPerSandbox = 256
    /// The most TCP connections of clients.
    static let streamLimit = 256
    /// How long a client's TCP connection may be silent, in nanoseconds.
    static let streamTimeout: Int64 = 5_000_000_000
    /// How long a server that handed over waits for answers to its last questions, in nanoseconds.
    static let retirement: Int64 = 5_000_000_000
    /// The most control connections.
    static let controlLimit = 16

    enum Source {
        case wake
        case listener
        case control(Int)
        case datagrams(String)
        case accepts(String)
        case stream(Int)
        case forward(Int)
    }

    struct SandboxSockets {
        var udp: Int32
        var tcp: Int32
        var namespace: String
    }

    /// How things stand with a newer server.
    enum Phase {
        case serving
        /// Handing over to the one at this control connection; these sandboxes are still to be handed.
        case handing(Int, remaining: [String])
        /// Handed over; ends when nothing is under way, at the latest then.
        case retired(until: Int64)
        case stopped
    }

    let logger: Logger
    let program: String?
    let upstreamPort: UInt16
    let poller: Poller
    let listener: Int32
    let wake: Int32
    var sources: [Int32: Source] = [:]
    var table = NameTable()
    var sockets: [String: SandboxSockets] = [:]
    var controls: [Int: ControlConnection] = [:]
    var streams: [Int: ClientStream] = [:]
    var forwards: [Int: ForwardedQuery] = [:]
    var phase = Phase.serving
    private var counter = 0

    /// A server without a picture that listens for its clients at `socketPath`.
    ///
    /// - Parameter program: the path of the running program, by which clients notice a newer one.
    public convenience init(socketPath: String, program: String? = nil, logger: Logger) throws {
        let listener = try UnixSocket.listen(socketPath)
        try self.init(listener: listener.release(), program: program, upstreamPort: Sockets.port, logger: logger)
    }

    init(listener: Int32, program: String?, upstreamPort: UInt16, logger: Logger) throws {
        self.listener = listener
        self.program = program.flatMap(Sockets.programIdentity)
        self.upstreamPort = upstreamPort
        self.logger = logger
        poller = try Poller()
        wake = try checked("eventfd", cl_eventfd())
        watch(listener, .listener)
        watch(wake, .wake)
    }

    deinit {
        for descriptor in sources.keys { close(descriptor) }
        for socket in sockets.values where sources[socket.udp] == nil {
            close(socket.udp)
            close(socket.tcp)
        }
    }

    /// Ends a server that another thread runs.
    public struct Stopper: Sendable {
        let descriptor: Int32

        public func stop() {
            var one: UInt64 = 1
            _ = write(descriptor, &one, 8)
        }
    }

    /// Valid as long as the server.
    public var stopper: Stopper { Stopper(descriptor: wake) }

    /// Answers until it is told to stop or a newer server has taken over.
    public func run() throws(SystemError) {
        while true {
            for descriptor in try poller.wait(milliseconds: patience()) {
                guard let source = sources[descriptor] else { continue }
                handle(source, descriptor)
            }
            expire()
            switch phase {
            case .stopped: return
            case .retired(let end) where Clock.sinceBoot() >= end || forwards.isEmpty && streams.isEmpty: return
            default: continue
            }
        }
    }

    private func handle(_ source: Source, _ descriptor: Int32) {
        switch source {
        case .wake: phase = .stopped
        case .listener: acceptControl()
        case .control(let id): readControl(id)
        case .datagrams(let sandbox): readDatagrams(sandbox)
        case .accepts(let sandbox): acceptStreams(sandbox)
        case .stream(let id): serveStream(id)
        case .forward(let id): proceed(id)
        }
    }

    /// Until the next deadline, in milliseconds; for ever where nothing is under way.
    private func patience() -> Int32 {
        var next = Int64.max
        for forward in forwards.values { next = min(next, forward.deadline) }
        for stream in streams.values { next = min(next, stream.deadline) }
        if case .retired(let end) = phase { next = min(next, end) }
        guard next < .max else { return -1 }
        return Int32(clamping: max(0, (next - Clock.sinceBoot()) / 1_000_000 + 1))
    }

    private func expire() {
        let now = Clock.sinceBoot()
        for (id, forward) in forwards where forward.deadline <= now { retry(id) }
        for (id, stream) in streams where stream.deadline <= now { closeStream(id) }
    }

    func nextID() -> Int {
        counter += 1
        return counter
    }

    func watch(_ descriptor: Int32, _ source: Source, _ interest: Poller.Interest = .read) {
        sources[descriptor] = source
        poller.arm(descriptor, interest)
    }

    func forget(_ descriptor: Int32) {
        sources[descriptor] = nil
        poller.remove(descriptor)
    }
}
