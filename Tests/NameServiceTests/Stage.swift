import Glibc
import LinuxSystem
import Logging
import NetworkModel
import Synchronization
import TestSupport
import Values

@testable import NameService

/// A host's network namespace and one sandbox's, with their loopback devices up.
final class Stage: Sendable {
    let directory: TemporaryDirectory
    let host: String
    let sandbox: String
    var socketPath: String { directory.path("net.sock") }

    init() throws {
        directory = try TemporaryDirectory("names")
        host = directory.path("host")
        sandbox = directory.path("sandbox")
        for path in [host, sandbox] {
            try NetworkNamespace.create(at: path)
            let up = try Command.runBlocking(["nsenter", "--net=\(path)", "ip", "link", "set", "lo", "up"])
            guard up.succeeded else { throw SystemError("ip link set lo up", up.errorOutput, errno: EIO) }
        }
    }

    deinit {
        try? NetworkNamespace.remove(sandbox)
        try? NetworkNamespace.remove(host)
    }

    static var logger: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    /// Asks from inside the sandbox, over UDP; nil where no answer comes in time.
    func ask(_ question: [UInt8], within limit: Int32 = 3000) throws -> [UInt8]? {
        try NetworkNamespace.run(at: sandbox) {
            let socket = try Sockets.connect(to: Sockets.serverAddress, port: 53, SOCK_DGRAM)
            try syscall("send") { send(socket.rawValue, question, question.count, 0) }
            return Self.receive(socket.rawValue, within: limit)
        }
    }

    /// The same over TCP, several questions at once.
    func askOverTCP(_ questions: [[UInt8]], within limit: Int32 = 3000) throws -> [[UInt8]] {
        try NetworkNamespace.run(at: sandbox) {
            let socket = try Sockets.connect(to: Sockets.serverAddress, port: 53, SOCK_STREAM)
            var waits = pollfd(fd: socket.rawValue, events: Int16(POLLOUT), revents: 0)
            poll(&waits, 1, limit)
            let all = questions.flatMap { [UInt8($0.count >> 8), UInt8($0.count & 255)] + $0 }
            try syscall("send") { send(socket.rawValue, all, all.count, 0) }
            var received: [UInt8] = []
            var answers: [[UInt8]] = []
            while answers.count < questions.count, let piece = Self.receive(socket.rawValue, within: limit),
                !piece.isEmpty
            {
                received += piece
                while received.count >= 2, received.count >= 2 + Int(received[0]) << 8 + Int(received[1]) {
                    let length = Int(received[0]) << 8 + Int(received[1])
                    answers.append(Array(received[2..<2 + length]))
                    received.removeFirst(2 + length)
                }
            }
            return answers
        }
    }

    private static func receive(_ socket: Int32, within limit: Int32) -> [UInt8]? {
        var waits = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard poll(&waits, 1, limit) > 0 else { return nil }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(socket, &buffer, buffer.count, 0)
        return count < 0 ? nil : Array(buffer[..<count])
    }

    /// Sends a picture to whoever listens at the control socket.
    func apply(_ picture: DNSPicture) throws -> NameReceipt {
        let channel = try ControlChannel(socketPath: socketPath)
        _ = try channel.receive(.hello)
        try channel.send(ControlRequest(kind: .picture, picture: picture))
        return try channel.receive(.applied).reply.receipt ?? NameReceipt(revision: PlanRevision(index: 0))
    }
}

/// Something that runs on a thread of its own inside a namespace.
final class NamespaceThread: Sendable {
    private let ended = Mutex(false)

    init(in namespace: String, _ body: @escaping @Sendable () throws -> Void) {
        final class Work {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        let work = Work { [self] in
            try? NetworkNamespace.run(at: namespace) { try body() }
            ended.withLock { $0 = true }
        }
        pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(work).toOpaque())
        pthread_detach(thread)
    }

    var isEnded: Bool { ended.withLock { $0 } }
}

/// A name server of this process, in a stage's host namespace.
final class RunningServer: Sendable {
    private let stopper = Mutex<NameServer.Stopper?>(nil)
    private let thread: NamespaceThread

    /// Waits until it listens.
    init(_ stage: Stage, takesOver: Bool = false) async throws {
        let made = Made()
        let path = stage.socketPath
        thread = NamespaceThread(in: stage.host) {
            let server =
                takesOver
                ? try NameServer.takingOver(socketPath: path, logger: Stage.logger)
                : try NameServer(socketPath: path, logger: Stage.logger)
            made.stopper.withLock { $0 = server.stopper }
            try server.run()
        }
        let found = try await waitFor("the server starts") { made.stopper.withLock { $0 } }
        stopper.withLock { $0 = found }
    }

    private final class Made: Sendable {
        let stopper = Mutex<NameServer.Stopper?>(nil)
    }

    var isEnded: Bool { thread.isEnded }

    func stop() async throws {
        if !thread.isEnded { stopper.withLock { $0?.stop() } }
        try await waitUntil("the server ends") { thread.isEnded }
    }
}

/// A name server of somebody else, in a stage's host namespace.
final class FakeUpstream: Sendable {
    enum Manner {
        /// Answers every question with 192.0.2.1.
        case answers
        case silent
        case refuses
        /// Sends an answer with a wrong identifier and one to another question first.
        case forges
    }

    struct Asked {
        var identifiers: [UInt16] = []
        var ports: Set<UInt16> = []
    }

    private let asked = Mutex(Asked())
    private let descriptors = Mutex<[Int32]>([])
    var recorded: Asked { asked.withLock { $0 } }

    init(_ stage: Stage, _ address: String, _ manner: Manner) async throws {
        let ip = IPAddress(address)!
        let opened = try NetworkNamespace.run(at: stage.host) {
            let udp = try syscall("socket") {
                socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            }
            let tcp = try syscall("socket") {
                socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            }
            for descriptor in [udp, tcp] {
                _ = try Sockets.withAddress(ip, 53) { address, length in
                    try syscall("bind") { bind(descriptor, address, length) }
                }
            }
            try syscall("listen") { listen(tcp, 8) }
            return [udp, tcp]
        }
        descriptors.withLock { $0 = opened }
        _ = NamespaceThread(in: stage.host) { [self] in serveDatagrams(opened[0], manner) }
        _ = NamespaceThread(in: stage.host) { [self] in serveStreams(opened[1], manner) }
    }

    func stop() { for descriptor in descriptors.withLock({ $0 }) { shutdown(descriptor, Int32(SHUT_RDWR)) } }

    private func note(_ question: [UInt8], port: UInt16) {
        asked.withLock {
            $0.identifiers.append(UInt16(question[0]) << 8 | UInt16(question[1]))
            $0.ports.insert(port)
        }
    }

    private static func answer(_ question: [UInt8], code: UInt8 = 0) -> [UInt8] {
        var answer = question
        answer[2] |= 0x80
        answer[3] = 0x80 | code
        if code == 0 {
            answer[7] = 1
            // Without the OPT record, so that the answer's record comes next.
            if answer[11] == 1 {
                answer[11] = 0
                answer.removeLast(11)
            }
            answer += [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]
        }
        return answer
    }

    private func serveDatagrams(_ socket: Int32, _ manner: Manner) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var peer = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &peer) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(socket, &buffer, buffer.count, 0, $0, &length)
                }
            }
            if count <= 0 { return }
            let question = Array(buffer[..<count])
            note(question, port: UInt16(bigEndian: peer.sin_port))
            var answers: [[UInt8]] = []
            switch manner {
            case .answers: answers = [Self.answer(question)]
            case .silent: continue
            case .refuses: answers = [Self.answer(question, code: 5)]
            case .forges:
                var wrongID = Self.answer(question)
                wrongID[0] ^= 0xff
                wrongID[wrongID.count - 1] = 66
                var wrongName = Self.answer(question)
                wrongName[13] ^= 0x01
                wrongName[wrongName.count - 1] = 66
                answers = [wrongID, wrongName, [], Self.answer(question)]
            }
            for answer in answers {
                withUnsafeMutablePointer(to: &peer) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        _ = sendto(socket, answer, answer.count, 0, $0, length)
                    }
                }
            }
        }
    }

    private func serveStreams(_ listener: Int32, _ manner: Manner) {
        while true {
            let client = accept(listener, nil, nil)
            if client < 0 { return }
            defer { close(client) }
            guard manner != .silent, let head = try? Bytes.read(client, upTo: 4096), head.count > 14 else { continue }
            note(Array(head.dropFirst(2)), port: 0)
            let answer = Self.answer(Array(head.dropFirst(2)), code: manner == .refuses ? 5 : 0)
            try? Bytes.writeAll(client, [UInt8(answer.count >> 8), UInt8(answer.count & 255)] + answer)
        }
    }
}
