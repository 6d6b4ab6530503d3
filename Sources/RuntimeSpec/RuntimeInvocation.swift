/// A command line of the runtime: runc's commands and flags, so that what drives runc drives this.
public struct RuntimeInvocation: Hashable, Sendable {
    public var settings = RuntimeSettings()
    public var command: RuntimeCommand

    /// - Parameter words: without the program's name.
    public init(parsing words: ArraySlice<String>) throws(InvocationError) {
        // Drivers pass --debug and --criu, which are without effect.
        let global = try CommandWords(
            words,
            [
                .value("root"), .value("log"), .value("log-format"), .flag("debug"), .flag("systemd-cgroup"),
                .value("rootless"), .value("criu"), .flag("version", "v"), .flag("help", "h"),
            ], endsAtArgument: true)
        settings = try RuntimeSettings(global)
        if global.isSet("version") {
            command = .version
        } else if global.isSet("help") {
            command = .help
        } else {
            guard let name = global.rest.first else { throw InvocationError("no command given; see --help") }
            command = try RuntimeCommand(name, global.rest.dropFirst())
        }
    }
}

/// What holds for every command.
public struct RuntimeSettings: Hashable, Sendable {
    public enum LogFormat: String, Sendable { case text, json }

    /// Where the states of containers are kept; nil for the usual place.
    public var root: String?
    /// The file that errors are written to besides standard error.
    public var log: String?
    public var logFormat = LogFormat.text
    /// Control groups are made by systemd.
    public var usesSystemd = false
    /// Whether what needs privileges is left out; nil finds out.
    public var isRootless: Bool?

    public init() {}

    init(_ words: CommandWords) throws(InvocationError) {
        root = words.text("root")
        log = words.text("log")
        if let text = words.text("log-format") {
            guard let format = LogFormat(rawValue: text) else {
                throw InvocationError("invalid log format \"\(text)\"")
            }
            logFormat = format
        }
        usesSystemd = words.isSet("systemd-cgroup")
        switch words.text("rootless") ?? "auto" {
        case "auto": isRootless = nil
        case "true": isRootless = true
        case "false": isRootless = false
        case let text: throw InvocationError("invalid value \"\(text)\" for flag --rootless: use true, false or auto")
        }
    }
}

/// One command, with what it is about.
public enum RuntimeCommand: Hashable, Sendable {
    case create(id: String, CreateOptions)
    case run(id: String, CreateOptions, RunOptions)
    case start(id: String)
    case state(id: String)
    case kill(id: String, signal: String, all: Bool)
    case delete(id: String, force: Bool)
    case exec(id: String, ExecOptions)
    case processes(id: String, format: ListFormat, arguments: [String])
    case list(format: ListFormat, isQuiet: Bool)
    case pause(id: String)
    case resume(id: String)
    case update(id: String, UpdateOptions)
    case events(id: String, intervalMilliseconds: Int, once: Bool)
    case features
    case specification(bundle: String, isRootless: Bool)
    case version
    case help

    public enum ListFormat: String, Sendable { case table, json }

    init(_ name: String, _ words: ArraySlice<String>) throws(InvocationError) {
        switch name {
        case "create":
            let words = try CommandWords(words, CreateOptions.flags)
            self = .create(id: try words.onlyIdentifier(name), try CreateOptions(words))
        case "run":
            let words = try CommandWords(words, CreateOptions.flags + RunOptions.flags)
            self = .run(id: try words.onlyIdentifier(name), try CreateOptions(words), RunOptions(words))
        case "start": self = .start(id: try CommandWords(words, []).onlyIdentifier(name))
        case "state": self = .state(id: try CommandWords(words, []).onlyIdentifier(name))
        case "pause": self = .pause(id: try CommandWords(words, []).onlyIdentifier(name))
        case "resume": self = .resume(id: try CommandWords(words, []).onlyIdentifier(name))
        case "kill":
            let words = try CommandWords(words, [.flag("all", "a")])
            guard (1...2).contains(words.rest.count) else { throw InvocationError("kill takes an id and a signal") }
            self = .kill(
                id: try words.identifier(name), signal: words.rest.count == 2 ? words.rest[1] : "SIGTERM",
                all: words.isSet("all"))
        case "delete":
            let words = try CommandWords(words, [.flag("force", "f")])
            self = .delete(id: try words.onlyIdentifier(name), force: words.isSet("force"))
        case "exec":
            let words = try CommandWords(words, ExecOptions.flags, endsAtArgument: true)
            self = .exec(id: try words.identifier(name), try ExecOptions(words))
        case "ps":
            let words = try CommandWords(words, [.value("format", "f")], endsAtArgument: true)
            self = .processes(
                id: try words.identifier(name), format: try words.format(), arguments: Array(words.rest.dropFirst()))
        case "list":
            let words = try CommandWords(words, [.value("format", "f"), .flag("quiet", "q")])
            self = .list(format: try words.format(), isQuiet: words.isSet("quiet"))
        case "update":
            let words = try CommandWords(words, UpdateOptions.flags)
            self = .update(id: try words.onlyIdentifier(name), try UpdateOptions(words))
        case "events":
            let words = try CommandWords(words, [.value("interval"), .flag("stats")])
            self = .events(
                id: try words.onlyIdentifier(name),
                intervalMilliseconds: try words.milliseconds("interval") ?? 5000, once: words.isSet("stats"))
        case "features": self = .features
        case "spec":
            let words = try CommandWords(words, [.value("bundle", "b"), .flag("rootless")])
            self = .specification(bundle: words.text("bundle") ?? ".", isRootless: words.isSet("rootless"))
        case "help": self = .help
        default: throw InvocationError("unknown command \"\(name)\"; see --help")
        }
    }
}

/// How a container is made.
public struct CreateOptions: Hashable, Sendable {
    public var bundle: String
    public var consoleSocket: String?
    public var pidfdSocket: String?
    public var pidFile: String?
    public var usesPivotRoot: Bool
    public var makesKeyring: Bool
    /// So many descriptors from 3 on stay open in the container.
    public var preservedDescriptors: Int

    static let flags: [CommandWords.Option] = [
        .value("bundle", "b"), .value("console-socket"), .value("pidfd-socket"), .value("pid-file"), .flag("no-pivot"),
        .flag("no-new-keyring"), .value("preserve-fds"),
    ]

    init(_ words: CommandWords) throws(InvocationError) {
        bundle = words.text("bundle") ?? "."
        consoleSocket = words.text("console-socket")
        pidfdSocket = words.text("pidfd-socket")
        pidFile = words.text("pid-file")
        usesPivotRoot = !words.isSet("no-pivot")
        makesKeyring = !words.isSet("no-new-keyring")
        preservedDescriptors = try words.preservedDescriptors()
    }
}

/// What `run` does beside making and starting a container.
public struct RunOptions: Hashable, Sendable {
    public var isDetached: Bool
    /// The container is not deleted when it has ended.
    public var keeps: Bool
    /// Processes that the container leaves behind come to the runtime (prctl(2): `PR_SET_CHILD_SUBREAPER`).
    public var isSubreaper: Bool

    static let flags: [CommandWords.Option] = [.flag("detach", "d"), .flag("keep"), .flag("no-subreaper")]

    init(_ words: CommandWords) {
        isDetached = words.isSet("detach")
        keeps = words.isSet("keep")
        isSubreaper = !words.isSet("no-subreaper")
    }
}

/// A process beside a container's first one. What is given here goes before what the container's own process has.
public struct ExecOptions: Hashable, Sendable {
    public var consoleSocket: String?
    public var pidfdSocket: String?
    public var pidFile: String?
    public var isDetached: Bool
    public var preservedDescriptors: Int
    /// Groups beneath the container's own: `PATH`, or `CONTROLLER,CONTROLLER:PATH` for some hierarchies.
    public var cgroups: [String]
    public var ignoresPause: Bool
    /// A file with the whole process (a `ProcessConfiguration`); nothing of the following is looked at then.
    public var processFile: String?
    public var arguments: [String]
    public var hasTerminal: Bool
    public var workingDirectory: String?
    public var environment: [String]
    /// `uid` or `uid:gid`.
    public var user: (uid: UInt32, gid: UInt32?)? {
        userID.map { ($0, groupID) }
    }
    private var userID: UInt32?
    private var groupID: UInt32?
    public var additionalGroups: [UInt32]
    public var capabilities: [String]
    public var noNewPrivileges: Bool
    public var apparmorProfile: String?
    public var selinuxLabel: String?

    static let flags: [CommandWords.Option] = [
        .value("console-socket"), .value("pidfd-socket"), .value("pid-file"), .flag("detach", "d"),
        .value("preserve-fds"), .value("cgroup"), .flag("ignore-paused"), .value("process", "p"), .flag("tty", "t"),
        .value("cwd"), .value("env", "e"), .value("user", "u"), .value("additional-gids", "g"), .value("cap", "c"),
        .flag("no-new-privs"), .value("apparmor"), .value("process-label"),
        // Of older drivers: as with runc no process of `exec` has a subreaper.
        .flag("no-subreaper"),
    ]

    init(_ words: CommandWords) throws(InvocationError) {
        consoleSocket = words.text("console-socket")
        pidfdSocket = words.text("pidfd-socket")
        pidFile = words.text("pid-file")
        isDetached = words.isSet("detach")
        preservedDescriptors = try words.preservedDescriptors()
        cgroups = words.all("cgroup")
        ignoresPause = words.isSet("ignore-paused")
        processFile = words.text("process")
        arguments = Array(words.rest.dropFirst())
        guard processFile != nil || !arguments.isEmpty else { throw InvocationError("exec takes an id and a command") }
        hasTerminal = words.isSet("tty")
        workingDirectory = words.text("cwd")
        environment = words.all("env")
        additionalGroups = []
        for text in words.all("additional-gids") {
            guard let number = UInt32(text) else { throw InvocationError("invalid group \"\(text)\"") }
            additionalGroups.append(number)
        }
        capabilities = words.all("cap")
        noNewPrivileges = words.isSet("no-new-privs")
        apparmorProfile = words.text("apparmor")
        selinuxLabel = words.text("process-label")
        guard let text = words.text("user") else { return }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        userID = UInt32(parts[0])
        groupID = parts.count == 2 ? UInt32(parts[1]) : nil
        guard parts.count <= 2, userID != nil, parts.count == 1 || groupID != nil else {
            throw InvocationError("invalid user \"\(text)\": use uid or uid:gid")
        }
    }
}

/// New limits: a document, and single values that go before it.
public struct UpdateOptions: Hashable, Sendable {
    /// A file with `LinuxResources`; `-` is standard input.
    public var file: String?
    public var resources = LinuxResources()

    static let flags: [CommandWords.Option] = [
        .value("resources", "r"), .value("blkio-weight"), .value("cpu-period"), .value("cpu-quota"),
        .value("cpu-burst"), .value("cpu-share"), .value("cpu-rt-period"), .value("cpu-rt-runtime"),
        .value("cpuset-cpus"), .value("cpuset-mems"), .value("memory"), .value("memory-reservation"),
        .value("memory-swap"), .value("pids-limit"), .value("cpu-idle"), .value("kernel-memory"),
        .value("kernel-memory-tcp"), .value("l3-cache-schema"), .value("mem-bw-schema"),
    ]

    init(_ words: CommandWords) throws(InvocationError) {
        for name in ["l3-cache-schema", "mem-bw-schema"] where words.text(name)?.isEmpty == false {
            throw InvocationError("--\(name): Intel RDT is not supported")
        }
        file = words.text("resources")
        var cpu = LinuxResources.CPU()
        cpu.period = try words.number("cpu-period")
        cpu.quota = try words.number("cpu-quota")
        cpu.burst = try words.number("cpu-burst")
        cpu.shares = try words.number("cpu-share")
        cpu.realtimePeriod = try words.number("cpu-rt-period")
        cpu.realtimeRuntime = try words.number("cpu-rt-runtime")
        cpu.idle = try words.number("cpu-idle")
        cpu.cpus = words.text("cpuset-cpus")
        cpu.mems = words.text("cpuset-mems")
        if cpu != LinuxResources.CPU() { resources.cpu = cpu }
        var memory = LinuxResources.Memory()
        memory.limit = try words.bytes("memory")
        memory.reservation = try words.bytes("memory-reservation")
        memory.swap = try words.bytes("memory-swap")
        if memory != LinuxResources.Memory() { resources.memory = memory }
        if let limit = try words.number("pids-limit", Int64.self) {
            resources.pids = LinuxResources.PIDs()
            resources.pids?.limit = limit
        }
        if let weight = try words.number("blkio-weight", UInt16.self) {
            resources.blockIO = LinuxResources.BlockIO()
            resources.blockIO?.weight = weight
        }
    }
}

extension CommandWords {
    /// Letters, digits and `_+-.`, not `.` and `..`: it names a directory.
    func identifier(_ command: String) throws(InvocationError) -> String {
        guard let id = rest.first else { throw InvocationError("\(command) takes an id") }
        let isFine = id.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
                || "_+-.".utf8.contains(byte)
        }
        guard isFine, !id.isEmpty, id != ".", id != "..", id.utf8.count <= 1024 else {
            throw InvocationError("invalid id format: \"\(id)\"")
        }
        return id
    }

    func onlyIdentifier(_ command: String) throws(InvocationError) -> String {
        guard rest.count <= 1 else { throw InvocationError("\(command) takes one id") }
        return try identifier(command)
    }

    func format() throws(InvocationError) -> RuntimeCommand.ListFormat {
        guard let text = text("format") else { return .table }
        guard let format = RuntimeCommand.ListFormat(rawValue: text) else {
            throw InvocationError("invalid format option \"\(text)\": use table or json")
        }
        return format
    }

    func preservedDescriptors() throws(InvocationError) -> Int {
        let count = try number("preserve-fds", Int.self) ?? 0
        guard (0...1024).contains(count) else { throw InvocationError("--preserve-fds is not of 0 to 1024") }
        return count
    }

    /// `64m`; -1 is without limit.
    func bytes(_ name: String) throws(InvocationError) -> Int64? {
        guard let text = text(name) else { return nil }
        let units: [Character: Int64] = ["b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40]
        let unit = text.last.flatMap { units[Character($0.lowercased())] }
        guard let number = Int64(unit == nil ? text[...] : text.dropLast()),
            case (let value, false) = number.multipliedReportingOverflow(by: unit ?? 1), value >= -1
        else { throw InvocationError("invalid value \"\(text)\" for flag --\(name): use a size such as 64m, or -1") }
        return value
    }
}
