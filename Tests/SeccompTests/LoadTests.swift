import Glibc
import JSON
import LinuxSystem
import RuntimeSpec
import Seccomp
import TestSupport
import Testing

/// Filters in force: on a thread that ends with its test, and in the programs that the thread starts.
@Suite(.enabled(if: TestEnvironment.isRoot, "needs root")) struct LoadTests {
    typealias Rule = SeccompConfiguration.Rule

    /// mkdir(1) makes one of these calls; nothing else on the thread does.
    private static func filter(_ action: SeccompConfiguration.Action, errnoRet: UInt32? = nil) throws -> SeccompFilter {
        try SeccompFilter(
            compiling: SeccompConfiguration(.allow, [Rule(["mkdir", "mkdirat"], action, errnoRet: errnoRet)]))
    }

    @Test func programsAreFiltered() async throws {
        let directory = try TemporaryDirectory("seccomp")
        let path = directory.path("made")
        let filter = try Self.filter(.errno, errnoRet: UInt32(EXDEV))
        let (own, command) = try await onThread {
            #expect(try filter.load() == nil)
            return (mkdir(path, 0o755) == 0 ? 0 : errno, try Self.makeDirectory(path))
        }
        #expect(own == EXDEV)
        #expect(command.code == 1)
        #expect(command.errorOutput.contains(String(cString: strerror(EXDEV))))
        #expect(!Files.exists(path))
        // Only on that thread.
        #expect(mkdir(path, 0o755) == 0)
    }

    @Test(arguments: [SeccompConfiguration.Action.killProcess, .kill, .trap])
    func programsAreEnded(_ action: SeccompConfiguration.Action) async throws {
        let directory = try TemporaryDirectory("seccomp")
        let path = directory.path("made")
        let filter = try Self.filter(action)
        let command = try await onThread {
            #expect(try filter.load() == nil)
            return try Self.makeDirectory(path)
        }
        #expect(command.code == 128 + SIGSYS)
        #expect(!Files.exists(path))
    }

    @Test func refusedInstructions() async throws {
        let filter = try #require(SeccompFilter(bytes: [0, 0, 0, 0] + [UInt8](repeating: 0xff, count: 8)))
        let errno = try await onThread { () -> Int32 in
            do throws(SystemError) {
                return try filter.load() == nil ? 0 : -1
            } catch {
                return error.errno
            }
        }
        #expect(errno == EINVAL)
    }

    /// The listener gets the descriptor with the state, sees the call, and its answer is the call's.
    @Test func listener() async throws {
        let directory = try TemporaryDirectory("seccomp")
        let socket = directory.path("socket")
        let path = directory.path("made")
        let filter = try Self.filter(.notify)
        #expect(filter.needsListener)
        let state = ContainerProcessState(
            pid: 42, metadata: "mine",
            state: ContainerState(id: "a", status: .creating, pid: 42, bundle: "/b", annotations: nil))
        let (code, text, asked) = try await onThread {
            let waiting = try UnixSocket.listen(socket)
            guard let notifications = try filter.load() else { throw SystemError("no listener", errno: EBADF) }
            try SeccompListener.send(notifications, of: state, to: socket)
            let connection = try UnixSocket.accept(waiting.rawValue)
            let (bytes, descriptors) = try UnixSocket.receive(connection.rawValue, upTo: 1 << 16)
            guard descriptors.count == 1 else { throw SystemError("\(descriptors)", errno: EBADF) }
            let received = Descriptor(owning: descriptors[0])
            let pid = try ChildProcess.spawn(
                TestEnvironment.command("mkdir") ?? "/bin/mkdir", ["mkdir", path], environment: [], descriptors: [])
            let asked = try Self.answer(received.rawValue, errno: EROFS)
            return (try ChildProcess.wait(pid), bytes, asked == UInt32(bitPattern: pid))
        }
        #expect(asked)
        #expect(code == 1)
        #expect(!Files.exists(path))
        let expected = """
            {"fds":["seccompFd"],"metadata":"mine","ociVersion":"1.2.1","pid":42,"state":{"bundle":"/b","id":"a",\
            "ociVersion":"1.2.1","pid":42,"status":"creating"}}
            """
        #expect(String(decoding: text, as: UTF8.self) == expected)
        #expect(try JSONCoding.decode(ContainerProcessState.self, from: text) == state)
    }

    /// Another process takes the descriptor by its number, so that who is filtered need not send it.
    @Test func takenListener() async throws {
        let directory = try TemporaryDirectory("seccomp")
        let path = directory.path("made")
        let filter = try Self.filter(.notify)
        let code = try await onThread {
            guard let own = try filter.load() else { throw SystemError("no listener", errno: EBADF) }
            let taken = try SeccompListener.take(own.rawValue, from: getpid())
            let pid = try ChildProcess.spawn(
                TestEnvironment.command("mkdir") ?? "/bin/mkdir", ["mkdir", path], environment: [], descriptors: [])
            #expect(try Self.answer(taken.rawValue, errno: 0) == UInt32(bitPattern: pid))
            return try ChildProcess.wait(pid)
        }
        // The listener says that it is done.
        #expect(code == 0)
        #expect(!Files.exists(path))
        #expect(throws: SystemError.self) { _ = try SeccompListener.take(1 << 20, from: getpid()) }
    }

    /// Answers one notification with an error number (seccomp_unotify(2)).
    ///
    /// - Returns: the process that made the call.
    private static func answer(_ listener: Int32, errno number: Int32) throws -> UInt32 {
        var polled = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        guard try syscall("poll", { poll(&polled, 1, 10_000) }) == 1 else { throw SystemError("poll", errno: ETIME) }
        // struct seccomp_notif: id, pid, flags, data; struct seccomp_notif_resp: id, val, error, flags.
        var notification = [UInt64](repeating: 0, count: 10)
        try syscall("receive") { ioctl(listener, 0xc050_2100, &notification) }
        var response: [UInt64] = [notification[0], 0, UInt64(UInt32(bitPattern: -number))]
        try syscall("respond") { ioctl(listener, 0xc018_2101, &response) }
        return UInt32(truncatingIfNeeded: notification[1])
    }

    private static func makeDirectory(_ path: String) throws -> Command {
        try Command.runBlocking(["mkdir", path], environment: ["LC_ALL=C"], within: .seconds(10))
    }

    /// Runs `body` on a thread of its own: filters stay on it, and go with it.
    private func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let work = Work { continuation.resume(with: Result { try body() }) }
            var thread = pthread_t()
            let failure = pthread_create(
                &thread, nil,
                { argument in
                    Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
                    return nil
                }, Unmanaged.passRetained(work).toOpaque())
            precondition(failure == 0, "no thread can be started")
            pthread_detach(thread)
        }
    }
}

/// What a thread is to do.
private final class Work {
    let body: () -> Void

    init(_ body: @escaping () -> Void) { self.body = body }
}
