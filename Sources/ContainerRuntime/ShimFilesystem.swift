import Cgroups
import Glibc
import JSON
import LinuxSystem
import Logging
import RuntimeProtocol

/// Files of containers on disk and the starting of shims; everything here blocks.
struct ShimFilesystem: Sendable {
    let runtimePath: String
    private let executable: RuntimeExecutable
    let dataDirectory: String
    let runDirectory: String

    let patience: ShimPatience
    let logger: Logger

    init(
        runtimePath: String, dataDirectory: String, runDirectory: String, patience: ShimPatience = ShimPatience(),
        logger: Logger = Logger(label: "runtime")
    ) {
        self.runtimePath = runtimePath
        executable = RuntimeExecutable(path: runtimePath)
        self.dataDirectory = dataDirectory
        self.runDirectory = runDirectory
        self.patience = patience
        self.logger = logger
    }

    func data(_ id: String) -> String { dataDirectory + "/containers/" + id }
    func run(_ id: String) -> String { runDirectory + "/containers/" + id }
    func socket(_ id: String) -> String { run(id) + "/" + ShimFiles.socket }

    /// Identifiers become names of directories.
    static func isValid(_ id: String) -> Bool {
        !id.isEmpty && id.utf8.count <= 128 && id.first != "."
            && id.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
                default: false
                }
            }
    }

    /// Starts a shim and waits until it has made its container. Nothing is left where that fails.
    func start(_ specification: ContainerSpecification) throws -> ShimState {
        let id = specification.id
        // For one whose container has ended the new shim waits.
        guard try !lives(id) else { throw RuntimeError(.failed, container: id, "container \(id) runs already") }
        do {
            return try make(specification)
        } catch {
            clear(specification)
            throw error
        }
    }

    /// What a creation left that failed. A shim that was only too slow would make its container one day.
    private func clear(_ specification: ContainerSpecification) {
        let id = specification.id
        do {
            try endShim(id)
            try ControlGroups().group(specification.cgroup).removeWithProcesses(reapsChildren: false)
            try remove(id)
        } catch {
            logger.warning("a half-made container stays", metadata: ["container": "\(id)", "error": "\(error)"])
        }
    }

    private func make(_ specification: ContainerSpecification) throws -> ShimState {
        let id = specification.id
        try Files.makeDirectories(data(id), mode: 0o710)
        try Files.makeDirectories(run(id), mode: 0o700)
        unlink(data(id) + "/" + ShimFiles.exit)
        unlink(run(id) + "/" + ShimFiles.state)
        // Environments hold secrets.
        try Files.write(data(id) + "/" + ShimFiles.specification, JSONCoding.encode(specification), mode: 0o600)
        let answer = try launch(id)
        if let error = answer.error { throw RuntimeError(.cannotStart(code: answer.code ?? 128), container: id, error) }
        guard answer.pid != nil, let state = try state(id) else {
            throw RuntimeError(.failed, container: id, "the shim gave no answer")
        }
        return state
    }

    private func launch(_ id: String) throws -> ShimAnswer {
        let null = try Descriptor.open("/dev/null", O_RDWR)
        let (reading, writing) = try Descriptor.pipe()
        let report = Descriptor(owning: reading)
        let child: pid_t
        do {
            let end = Descriptor(owning: writing)
            child = try spawn(id, null: null.rawValue, report: end.rawValue)
        }
        let line: [UInt8]
        do {
            line = try self.line(report.rawValue, id)
        } catch {
            // Once it has made the shim it ends by itself.
            kill(child, SIGKILL)
            _ = try? ChildProcess.wait(child)
            throw error
        }
        _ = try ChildProcess.wait(child)
        return try JSONCoding.decode(ShimAnswer.self, from: line)
    }

    /// What the shim reports when it has made its container, or could not.
    private func line(_ report: Int32, _ id: String) throws -> [UInt8] {
        let deadline = ContinuousClock.now + patience.creation
        var text: [UInt8] = []
        while true {
            var entry = pollfd(fd: report, events: Int16(POLLIN), revents: 0)
            let rest = ContinuousClock.now.duration(to: deadline) / .milliseconds(1)
            let ready = poll(&entry, 1, Int32(max(0, min(rest.rounded(.up), 1e9))))
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { throw RuntimeError(.failed, container: id, "the shim takes too long") }
            let piece = try Bytes.read(report, upTo: 1 << 16)
            text += piece
            if let end = text.firstIndex(of: 0x0a) { return Array(text[..<end]) }
            guard !piece.isEmpty, text.count <= ShimLimits.line else {
                throw RuntimeError(.failed, container: id, "the shim ended without a word")
            }
        }
    }

    /// Starts the program by a read-only mount of its own, so that no container can write to its file. The shim looks
    /// again and starts itself anew where that was not possible.
    private func spawn(_ id: String, null: Int32, report: Int32) throws -> pid_t {
        let arguments = [
            "martlet-runtime", "shim", "--data", data(id), "--run", run(id), "--cache", runDirectory + "/filters",
        ]
        do {
            if let program = try executable.guarded() {
                return try ChildProcess.spawn(
                    "/proc/self/fd/\(ShimFiles.reportDescriptor + 1)", arguments, environment: [],
                    descriptors: [null, null, null, report, program.rawValue])
            }
            return try ChildProcess.spawn(
                runtimePath, arguments, environment: [], descriptors: [null, null, null, report])
        } catch {
            throw RuntimeError(.failed, container: id, "cannot start \(runtimePath): \(error)")
        }
    }

    func state(_ id: String) throws -> ShimState? { try value(run(id) + "/" + ShimFiles.state) }

    func record(_ id: String) throws -> ExitRecord? { try value(data(id) + "/" + ShimFiles.exit) }

    /// What a file says; nil where there is none, or its text is not such a value.
    private func value<Value: Decodable>(_ path: String) throws -> Value? {
        let text: [UInt8]
        do { text = try Files.read(path) } catch let error where error.errno == ENOENT { return nil }
        return try? JSONCoding.decode(Value.self, from: text)
    }

    /// Removes the runtime's files of a container that has ended.
    func remove(_ id: String) throws {
        try Files.removeTree(run(id))
        for name in [ShimFiles.specification, ShimFiles.exit] { unlink(data(id) + "/" + name) }
    }

    /// Every container that has a specification here.
    func all() throws -> [String] {
        try Files.list(dataDirectory + "/containers").filter {
            Self.isValid($0) && Files.exists(data($0) + "/" + ShimFiles.specification)
        }
    }

    /// The counters of the interfaces that a process sees (/proc/<pid>/net/dev).
    static func interfaces(of pid: pid_t) -> [String: InterfaceCounters] {
        guard let text = try? Files.text("/proc/\(pid)/net/dev") else { return [:] }
        var result: [String: InterfaceCounters] = [:]
        for line in text.split(separator: "\n").dropFirst(2) {
            let halves = line.split(separator: ":", maxSplits: 1)
            guard halves.count == 2 else { continue }
            let numbers = halves[1].split(separator: " ").compactMap { Int64($0) }
            let name = String(halves[0].drop { $0 == " " })
            guard numbers.count >= 12, name != "lo" else { continue }
            var counters = InterfaceCounters()
            counters.receivedBytes = numbers[0]
            counters.receivedPackets = numbers[1]
            counters.receiveErrors = numbers[2]
            counters.receiveDrops = numbers[3]
            counters.sentBytes = numbers[8]
            counters.sentPackets = numbers[9]
            counters.sendErrors = numbers[10]
            counters.sendDrops = numbers[11]
            result[name] = counters
        }
        return result
    }
}
