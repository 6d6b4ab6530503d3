import Cgroups
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol

/// Files of containers on disk and the starting of shims; everything here blocks.
struct ShimFilesystem: Sendable {
    let runtimePath: String
    private let executable: RuntimeExecutable
    let dataDirectory: String
    let runDirectory: String

    /// How long a shim may take to make a container, milliseconds.
    private static let creationLimit: Int32 = 120_000

    init(runtimePath: String, dataDirectory: String, runDirectory: String) {
        self.runtimePath = runtimePath
        executable = RuntimeExecutable(path: runtimePath)
        self.dataDirectory = dataDirectory
        self.runDirectory = runDirectory
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

    /// Starts a shim and waits until it has made its container.
    func start(_ specification: ContainerSpecification) throws -> (pid: pid_t, group: ControlGroup) {
        let id = specification.id
        try Files.makeDirectories(data(id), mode: 0o710)
        try Files.makeDirectories(run(id), mode: 0o700)
        unlink(data(id) + "/" + ShimFiles.exit)
        unlink(run(id) + "/" + ShimFiles.state)
        // Environments hold secrets.
        try Files.write(data(id) + "/" + ShimFiles.specification, JSONCoding.encode(specification), mode: 0o600)
        let answer = try launch(id)
        if let error = answer.error { throw RuntimeError(.cannotStart(code: answer.code ?? 128), container: id, error) }
        guard let pid = answer.pid, let state = state(id) else {
            throw RuntimeError(.failed, container: id, "the shim gave no answer")
        }
        return (pid, ControlGroup(directories: state.cgroups))
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
        _ = try ChildProcess.wait(child)
        var text: [UInt8] = []
        while true {
            var entry = pollfd(fd: report.rawValue, events: Int16(POLLIN), revents: 0)
            let ready = poll(&entry, 1, Self.creationLimit)
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { throw RuntimeError(.failed, container: id, "the shim takes too long") }
            let piece = try Bytes.read(report.rawValue, upTo: 1 << 16)
            text += piece
            if piece.isEmpty || piece.contains(0x0a) || text.count > ShimLimits.line { break }
        }
        guard let end = text.firstIndex(of: 0x0a) else {
            throw RuntimeError(.failed, container: id, "the shim ended without a word")
        }
        return try JSONCoding.decode(ShimAnswer.self, from: Array(text[..<end]))
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

    func state(_ id: String) -> ShimState? {
        guard let text = try? Files.read(run(id) + "/" + ShimFiles.state) else { return nil }
        return try? JSONCoding.decode(ShimState.self, from: text)
    }

    func record(_ id: String) -> ExitRecord? {
        guard let text = try? Files.read(data(id) + "/" + ShimFiles.exit) else { return nil }
        return try? JSONCoding.decode(ExitRecord.self, from: text)
    }

    func specification(_ id: String) -> ContainerSpecification? {
        guard let text = try? Files.read(data(id) + "/" + ShimFiles.specification) else { return nil }
        return try? JSONCoding.decode(ContainerSpecification.self, from: text)
    }

    /// A container whose shim is gone: its record, or what is left of it is killed and a record made.
    func bury(_ id: String) throws -> ExitRecord {
        let state = state(id)
        // What tells the two ends apart goes after the record is there: somebody else may look at the same time.
        defer {
            if state != nil {
                unlink(run(id) + "/" + ShimFiles.socket)
                unlink(run(id) + "/" + ShimFiles.state)
            }
        }
        var oomKilled = false
        if let state {
            let group = ControlGroup(directories: state.cgroups)
            oomKilled = group.oomKills() > 0
            group.removeWithProcesses(reapsChildren: false)
        }
        if let record = record(id) { return record }
        // Without a state in the run directory the whole host was restarted, which Docker counts as 255.
        let record = ExitRecord(
            code: state == nil ? 255 : 137, oomKilled: oomKilled, finishedAt: Clock.now().nanosecondsSinceEpoch)
        try Files.writeDurably(data(id) + "/" + ShimFiles.exit, JSONCoding.encode(record), mode: 0o600)
        return record
    }

    /// Removes the runtime's files of a container that has ended.
    func remove(_ id: String) throws {
        try Files.removeTree(run(id))
        for name in [ShimFiles.specification, ShimFiles.exit] { unlink(data(id) + "/" + name) }
    }

    /// Every container that has a specification here.
    func all() -> [String] {
        ((try? Files.list(dataDirectory + "/containers")) ?? []).filter {
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
