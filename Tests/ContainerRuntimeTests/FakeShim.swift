import ContainerRuntime
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import Synchronization
import TestSupport
import Testing

/// What the daemon takes for a living shim: its files, its lock, a process for its container, and a socket that says
/// what the test wants. Without `serve` it takes connections and never answers.
final class FakeShim: Sendable {
    let id: String
    /// The container's first process: a child of the test.
    let pid: pid_t
    private let directory: TemporaryDirectory
    private let lock: Mutex<Int32>
    private let listener: Int32
    private let server = Mutex<Task<Void, Never>?>(nil)

    var record: String { directory.path("data/containers/\(id)/\(ShimFiles.exit)") }
    var state: String { directory.path("run/containers/\(id)/\(ShimFiles.state)") }
    var socket: String { directory.path("run/containers/\(id)/\(ShimFiles.socket)") }

    /// - Parameters:
    ///   - state: the text of its state; nil for a good one.
    ///   - backlog: how many connections may wait to be taken.
    init(
        _ directory: TemporaryDirectory, _ id: String = "a", state: String? = nil, specification: String = "{}",
        backlog: Int32 = 128
    ) throws {
        self.directory = directory
        self.id = id
        let (data, run) = (directory.path("data/containers/\(id)"), directory.path("run/containers/\(id)"))
        for path in [data, run] { try Files.makeDirectories(path) }
        try Files.write(data + "/" + ShimFiles.specification, specification)
        pid = try ChildProcess.spawn("/bin/sleep", ["sleep", "1000"], environment: [], descriptors: [])
        let file = try Descriptor.open(run + "/" + ShimFiles.lock, O_RDWR | O_CREAT).release()
        try syscall("flock") { flock(file, LOCK_EX | LOCK_NB) }
        lock = Mutex(file)
        listener = try UnixSocket.listen(run + "/" + ShimFiles.socket, backlog: backlog).release()
        _ = fcntl(listener, F_SETFL, O_NONBLOCK)
        let own = #"{"cgroups":[],"containerPid":\#(pid),"shimPid":1,"version":2}"#
        try Files.write(run + "/" + ShimFiles.state, state ?? own)
    }

    deinit {
        server.withLock { $0?.cancel() }
        die()
        close(listener)
        kill(pid, SIGKILL)
        _ = try? ChildProcess.wait(pid)
    }

    /// Ends without a word.
    func die() {
        lock.withLock {
            if $0 >= 0 { close($0) }
            $0 = -1
        }
    }

    var isAlive: Bool { kill(pid, 0) == 0 }

    /// Answers requests by their texts, and closes the connections of others without a word.
    func serve(_ answers: [String: String]) {
        let listener = listener
        let task = Task {
            while !Task.isCancelled {
                guard let connection = try? UnixSocket.accept(listener) else {
                    try? await Task.sleep(for: .milliseconds(5))
                    continue
                }
                guard let line = try? Self.line(connection.rawValue), let answer = answers[line] else { continue }
                let text = Array(answer.utf8) + [0x0a]
                _ = send(connection.rawValue, text, text.count, Int32(MSG_NOSIGNAL))
            }
        }
        server.withLock {
            $0?.cancel()
            $0 = task
        }
    }

    private static func line(_ connection: Int32) throws -> String {
        var text: [UInt8] = []
        while text.last != 0x0a {
            let piece = try Bytes.read(connection, upTo: 1 << 12)
            if piece.isEmpty { return "" }
            text += piece
        }
        return String(decoding: text.dropLast(), as: UTF8.self)
    }

    /// As a shim of version 1 and later answers: it runs.
    var running: [String: String] { [#"{"state":{}}"#: #"{"isStarted":true,"pid":\#(pid)}"#] }

    static func ended(code: Int) -> [String: String] {
        [#"{"wait":{}}"#: #"{"code":\#(code),"exit":{"code":\#(code),"finishedAt":1,"oomKilled":false}}"#]
    }
}
