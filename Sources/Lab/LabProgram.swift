import CLab
import CLinux
import Glibc
import LinuxSystem

/// Starts the small programs of `CLab` out of the running program's own file.
enum LabProgram {
    private static let selfPath = "/proc/self/exe"

    /// What such a program needs of this process's environment.
    static var environment: [String] {
        let text = (try? Files.read("/proc/self/environ")) ?? []
        return text.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A host's first process on its way up: it waits for its links, and ends when this process does.
    final class Booting: Sendable {
        /// Its number as this process sees it.
        let pid: Int32
        private let control: Int32
        private let name: String

        fileprivate init(pid: Int32, control: Int32, name: String) {
            self.pid = pid
            self.control = control
            self.name = name
        }

        deinit { close(control) }

        /// Lets it go on, and waits until it serves.
        func proceed() throws {
            try Bytes.writeAll(control, [1])
            _ = try LabProgram.line(control, expecting: "ready", of: name)
        }
    }

    /// Starts the first process of `host` with a plan (see `HostPlan`); returns when it waits for its links.
    static func boot(lab: String, host: String, plan: [UInt8]) throws -> Booting {
        precondition(clab_present() == 1)
        let (ours, theirs) = try UnixSocket.pair()
        let null = try Descriptor.open("/dev/null", O_RDWR)
        let helper: pid_t
        do {
            defer { close(theirs) }
            helper = try ChildProcess.spawn(
                selfPath, [CLAB_INIT, lab, host], environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
                descriptors: [null.rawValue, null.rawValue, 2, theirs])
        } catch {
            close(ours)
            throw error
        }
        // The helper ends when its child is there, or when the control socket closes.
        let reply = Result { () throws -> Int32 in
            try Bytes.writeAll(ours, plan)
            let line = try Self.line(ours, expecting: "pid ", of: host)
            guard let pid = Int32(line.dropFirst(4)) else { throw LabError("host \(host): unexpected \"\(line)\"") }
            return pid
        }
        guard case .success(let pid) = reply else {
            close(ours)
            _ = try? ChildProcess.wait(helper)
            throw reply.failure ?? LabError("host \(host) did not start")
        }
        _ = try ChildProcess.wait(helper)
        return Booting(pid: pid, control: ours, name: host)
    }

    /// The longest a host takes from one step to the next.
    private static let stepLimitMilliseconds: Int32 = 20_000

    private static func line(_ control: Int32, expecting start: String, of host: String) throws -> String {
        var line: [UInt8] = []
        while line.last != 0x0a {
            var polled = pollfd(fd: control, events: Int16(POLLIN), revents: 0)
            guard poll(&polled, 1, stepLimitMilliseconds) != 0 else {
                throw LabError("host \(host) did not start within \(stepLimitMilliseconds / 1000) s")
            }
            let byte = try Bytes.read(control, upTo: 1)
            guard !byte.isEmpty, line.count < 8192 else { throw LabError("host \(host) ended while it was started") }
            line += byte
        }
        let text = String(decoding: line.dropLast(), as: UTF8.self)
        guard text.hasPrefix(start) else {
            throw LabError("host \(host): \(text.hasPrefix("error ") ? String(text.dropFirst(6)) : text)")
        }
        return text
    }

    /// Arguments that run `command` in namespaces of a machine: `c`, `i`, `u`, `n`, `p`, `m` as `CLab` says.
    static func enterArguments(
        _ machine: MachineState, namespaces: String, directory: String = "/", log: String = "-", _ command: [String]
    ) throws -> [String] {
        guard let process = machine.initProcess, process.isAlive else {
            throw LabError("\(machine.name) is off; start it with `martlet lab start \(machine.name)`")
        }
        return [CLAB_ENTER, "\(process.pid)", namespaces, directory, log, "\(machine.processFiles.count)"]
            + machine.processFiles + command
    }

    /// Runs `command` in the machine's namespaces to its end and captures what it prints.
    static func run(
        in machine: MachineState, namespaces: String, directory: String = "/", _ command: [String],
        input: [UInt8] = [], environment: [String]? = nil, within limit: Duration = .seconds(60)
    ) throws -> CapturedProcess {
        let arguments = try enterArguments(machine, namespaces: namespaces, directory: directory, command)
        return try CapturedProcess.run(
            selfPath, arguments, environment: environment ?? Self.environment, input: input, within: limit)
    }

    /// Starts `command` in the machine's namespaces, its output going to the pipe `log`; returns its number.
    static func start(
        in machine: MachineState, namespaces: String, log: String, environment: [String], _ command: [String]
    ) throws -> Int32 {
        let arguments = try enterArguments(machine, namespaces: namespaces, log: log, command)
        let result = try CapturedProcess.run(selfPath, arguments, environment: environment, within: .seconds(20))
        let text = String(decoding: result.output, as: UTF8.self)
        guard result.code == 0, let pid = Int32(text.prefix { $0.isNumber }) else {
            let reason = String(decoding: result.errors, as: UTF8.self).split(separator: "\n").last.map(String.init)
            throw LabError("\(machine.name): cannot start \(command[0]): \(reason ?? "code \(result.code)")")
        }
        return pid
    }

    /// Becomes `command` in the machine's namespaces, with this process's descriptors. Returns only with an error.
    static func replaceSelf(
        in machine: MachineState, namespaces: String, directory: String, _ command: [String]
    ) throws -> Never {
        let arguments = try enterArguments(machine, namespaces: namespaces, directory: directory, command)
        let environment = Self.environment
        let result = ChildProcess.withCStrings(arguments) { arguments in
            ChildProcess.withCStrings(environment) { cl_execve(selfPath, arguments, $0) }
        }
        throw SystemError("execve", selfPath, errno: -result)
    }

    /// Starts the process that carries connections from listening sockets to `port` of the first address that answers.
    static func forward(
        from listeners: [Int32], through underlay: MachineState, to addresses: [String], port: Int
    ) throws -> Int32 {
        guard let process = underlay.initProcess, process.isAlive else { throw LabError("the underlay is gone") }
        let null = try Descriptor.open("/dev/null", O_RDWR)
        return try ChildProcess.spawn(
            selfPath,
            [CLAB_FORWARD, "\(process.pid)", "\(port)", "\(underlay.processFiles.count)"] + underlay.processFiles
                + addresses,
            environment: [], descriptors: [null.rawValue, null.rawValue, null.rawValue] + listeners)
    }
}

extension Result {
    fileprivate var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
