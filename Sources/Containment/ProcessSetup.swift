import CLinux
import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import Seccomp

/// The last steps of a process inside its container: user, limits, capabilities, filter, exec.
struct ProcessSetup {
    /// What is to be run.
    struct Program {
        var path: String
        var environment: [String]
        var held: CapabilitySets
        /// What the process may use until it runs the program.
        var permitted: UInt64
    }

    let plan: ProcessPlan
    let hasUserNamespace: Bool

    private var process: ProcessConfiguration { plan.configuration }

    private static let deathSignal: Int32 = 1
    private static let dumpable: Int32 = 4
    private static let keepCapabilities: Int32 = 8
    private static let noNewPrivileges: Int32 = 38
    /// The longest passwd or group file that is read, in bytes.
    private static let databaseLimit = 8 << 20

    init(_ plan: ProcessPlan, hasUserNamespace: Bool) {
        self.plan = plan
        self.hasUserNamespace = hasUserNamespace
    }

    /// Nobody in the container may look into the process until it runs its own program, and none of the host's
    /// descriptors stays.
    static func hide(endsWithMaker: Bool) throws(SystemError) {
        if endsWithMaker { try checked("prctl", cl_prctl(deathSignal, UInt(SIGKILL), 0, 0, 0)) }
        try becomeOpaque()
        hideArguments()
    }

    /// Keeps others from tracing the process and from what it has open (ptrace(2), CVE-2016-9962); a child inherits it,
    /// a change of user may undo it.
    static func becomeOpaque() throws(SystemError) { try checked("prctl", cl_prctl(dumpable, 0, 0, 0, 0)) }

    /// Until exec the process is a copy of the runtime: its arguments are paths of the host.
    private static func hideArguments() {
        for index in 0..<Int(CommandLine.argc) {
            guard let argument = CommandLine.unsafeArgv[index] else { continue }
            memset(argument, 0, strlen(argument))
            if index == 0 { memcpy(argument, "init", 4) }
        }
    }

    /// Takes on everything but the filter and the last capabilities, and finds the program.
    mutating func prepare(_ proc: borrowing HostProc) throws -> Program {
        let identity = try identify()
        try setLimits(proc)
        try schedule()
        try label(proc)
        own(identity.uid)
        closeDescriptors()
        let entered = chdir(process.cwd) == 0
        var permitted: UInt64 = 0
        var limit: UInt64 = 0
        try checked("capget", cl_permitted_capabilities(&permitted, &limit))
        let held = CapabilitySets(process.capabilities).cut(permitted: permitted, bounding: limit)
        try checked("drop capabilities", cl_drop_bounding(held.bounding))
        try become(identity, proc)
        if !entered, chdir(process.cwd) != 0 {
            throw SetupError(
                "chdir to cwd (\"\(process.cwd)\") set in config.json failed: \(describe(errno))", code: 126)
        }
        try verifyWorkingDirectory()
        var environment = process.env ?? []
        if SearchPath.value(of: "HOME", in: environment) == nil { environment.append("HOME=" + identity.home) }
        let path = try find(environment)
        // A change of user took the death signal and the effective capabilities away.
        if plan.endsWithMaker { try checked("prctl", cl_prctl(Self.deathSignal, UInt(SIGKILL), 0, 0, 0)) }
        try checked("capset", cl_capset(permitted, permitted, 0))
        _ = cl_set_ambient(0)
        if process.noNewPrivileges == true { try checked("prctl", cl_prctl(Self.noNewPrivileges, 1, 0, 0, 0)) }
        umask(mode_t(process.user?.umask ?? 0o022))
        return Program(path: path, environment: environment, held: held, permitted: permitted)
    }

    /// Becomes the program; returns why the kernel does not take it, and throws what else goes wrong before. `sync`
    /// closes with exec.
    ///
    /// - Parameter beforehand: done with the program's own rights and under its filter.
    func execute(
        _ program: Program, _ filter: SeccompFilter?, _ sync: borrowing SyncChannel, beforehand: () throws -> Void = {}
    ) throws -> SetupError {
        cl_reset_signals()
        closeDescriptors()
        if plan.hasReaper { try split() }
        // Without no_new_privs a filter takes a capability to load; with it the filter sees as few calls as possible.
        if process.noNewPrivileges != true { try load(filter, sync) }
        let held = program.held
        try checked("capset", cl_capset(held.effective, held.permitted, held.inheritable))
        if held.ambient != 0 { try checked("ambient capabilities", cl_set_ambient(held.ambient)) }
        if process.noNewPrivileges == true { try load(filter, sync) }
        try beforehand()
        let result = ChildProcess.withCStrings(process.args ?? []) { arguments in
            ChildProcess.withCStrings(program.environment) { cl_execve(program.path, arguments, $0) }
        }
        return SetupError("exec \(program.path): \(describe(-result))", code: -result == ENOENT ? 127 : 126)
    }

    // MARK: Filter

    private func load(_ filter: SeccompFilter?, _ sync: borrowing SyncChannel) throws {
        guard let listener = try filter?.load() else { return }
        // The runtime takes the descriptor from here: the filter may keep this process from sending it.
        try sync.sendListening(listener.rawValue)
        try sync.awaitAnswer()
    }

    // MARK: Identity

    private func identify() throws -> UserDatabase.Identity {
        let database = UserDatabase(
            passwd: try Self.databaseFile("/etc/passwd"), group: try Self.databaseFile("/etc/group"))
        if let names = plan.names {
            do {
                return try database.resolve(names)
            } catch {
                throw SetupError(error.description, code: 126)
            }
        }
        let user = process.user ?? ProcessConfiguration.User()
        let home = database.users.first { $0.uid == user.uid }?.home ?? ""
        return UserDatabase.Identity(
            uid: user.uid, gid: user.gid, groups: user.additionalGids ?? [], home: home.isEmpty ? "/" : home)
    }

    /// A file of the image; it may be anything, so it is neither waited for nor read without limit.
    private static func databaseFile(_ path: String) throws -> String {
        guard let file = try? Descriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY) else { return "" }
        var information = stat()
        guard fstat(file.rawValue, &information) == 0, information.st_mode & S_IFMT == S_IFREG else { return "" }
        return String(decoding: try Bytes.readToEnd(file.rawValue, limit: databaseLimit), as: UTF8.self)
    }

    private func become(_ identity: UserDatabase.Identity, _ proc: borrowing HostProc) throws {
        // Where a user namespace denies setgroups(2), an ordinary user made it and keeps its groups.
        let isDenied = hasUserNamespace && (try? proc.text("self/setgroups"))?.hasPrefix("deny") == true
        if !isDenied {
            try checked("setgroups", cl_setgroups(identity.groups.count, identity.groups))
        } else if !(process.user?.additionalGids ?? []).isEmpty {
            throw SetupError("process.user.additionalGids: the user namespace allows no setgroups")
        }
        try Self.member("process.user.gid") { () throws(SystemError) in
            try checked("setgid", on: "\(identity.gid)", cl_setresgid(identity.gid))
        }
        try checked("prctl", cl_prctl(Self.keepCapabilities, 1, 0, 0, 0))
        try Self.member("process.user.uid") { () throws(SystemError) in
            try checked("setuid", on: "\(identity.uid)", cl_setresuid(identity.uid))
        }
        try checked("prctl", cl_prctl(Self.keepCapabilities, 0, 0, 0, 0))
        try Self.becomeOpaque()
    }

    private static func member(_ name: String, _ body: () throws(SystemError) -> Int32) throws(SetupError) {
        do {
            _ = try body()
        } catch {
            throw SetupError("\(name): \(error)")
        }
    }

    // MARK: Limits

    private func setLimits(_ proc: borrowing HostProc) throws {
        for (index, limit) in (process.rlimits ?? []).enumerated() {
            guard let number = ProcessConfiguration.ResourceLimit.numbers[limit.type] else {
                throw SetupError("process.rlimits[\(index)].type: \"\(limit.type)\" is no limit")
            }
            let result = cl_setrlimit(number, limit.soft, limit.hard)
            guard result < 0 else { continue }
            throw SetupError(
                "error setting rlimits for ready process: error setting rlimit type \(number): \(describe(-result))")
        }
        let file = "self/oom_score_adj"
        if hasUserNamespace, process.oomScoreAdj != nil {
            // The runtime has set it.
        } else if let score = process.oomScoreAdj {
            do {
                try proc.write(file, "\(score)")
            } catch {
                throw SetupError("write /proc/\(file): \(describe(error.errno))")
            }
        } else if let present = try? proc.text(file), present.hasPrefix("-") {
            // The daemon's protection is not the container's.
            try? proc.write(file, "0")
        }
    }

    private func schedule() throws {
        if let personality = plan.personality {
            let domain = personality.domain == "LINUX32" ? CL_PER_LINUX32 : CL_PER_LINUX
            try checked("personality", on: personality.domain, cl_set_personality(UInt(domain)))
        }
        if let scheduler = process.scheduler {
            let flags = (scheduler.flags ?? []).reduce(0 as UInt64) {
                $0 | (ProcessConfiguration.Scheduler.flagBits[$1] ?? 0)
            }
            let policy = ProcessConfiguration.Scheduler.policies[scheduler.policy] ?? 0
            try Self.member("process.scheduler") { () throws(SystemError) in
                try checked(
                    "sched_setattr", on: scheduler.policy,
                    cl_set_scheduler(
                        policy, flags, scheduler.nice ?? 0, UInt32(bitPattern: scheduler.priority ?? 0),
                        scheduler.runtime ?? 0, scheduler.deadline ?? 0, scheduler.period ?? 0))
            }
        }
        if let priority = process.ioPriority {
            let number = ProcessConfiguration.IOPriority.classes[priority.class] ?? 0
            try Self.member("process.ioPriority") { () throws(SystemError) in
                try checked("ioprio_set", on: priority.class, cl_set_io_priority(number, priority.priority))
            }
        }
    }

    /// Labels of AppArmor and SELinux, taken on with exec (apparmor(7), selinux(8)).
    private func label(_ proc: borrowing HostProc) throws {
        if let profile = process.apparmorProfile, !profile.isEmpty {
            guard Files.exists("/sys/module/apparmor") || SecurityModules.has("apparmor") else {
                throw SetupError("process.apparmorProfile: this kernel has no AppArmor")
            }
            do {
                try proc.write("self/attr/apparmor/exec", "exec " + profile)
            } catch {
                throw SetupError("process.apparmorProfile: \"\(profile)\" is refused: \(describe(error.errno))")
            }
        }
        if let label = process.selinuxLabel, !label.isEmpty {
            guard SecurityModules.has("selinux") else {
                throw SetupError("process.selinuxLabel: this kernel has no SELinux")
            }
            do {
                try proc.write("self/attr/exec", label)
            } catch {
                throw SetupError("process.selinuxLabel: \"\(label)\" is refused: \(describe(error.errno))")
            }
        }
    }

    // MARK: Descriptors and directories

    /// The streams belong to the user, so that it may open /dev/stdout and the like again.
    private func own(_ uid: UInt32) {
        for descriptor in 0..<Int32(3) {
            var information = stat()
            guard fstat(descriptor, &information) == 0, information.st_uid != uid else { continue }
            // The null device may be the host's own node.
            let number = UInt64(information.st_rdev)
            if information.st_mode & S_IFMT == S_IFCHR, cl_major(number) == 1, cl_minor(number) == 3 { continue }
            _ = fchown(descriptor, uid, gid_t.max)
        }
    }

    /// All but 0, 1, 2 and those that are to stay closes with exec, the channel to the runtime too.
    private func closeDescriptors() {
        guard Guard.descriptors.holds else { return }
        let closeOnExec: UInt32 = 4
        _ = cl_close_range(UInt32(3 + plan.preservedDescriptors), .max, closeOnExec)
    }

    /// Closes everything but 0, 1, 2, those that are to stay, and `kept`.
    func closeDescriptors(but kept: [Int32]) {
        guard Guard.descriptors.holds else { return }
        var first = UInt32(3 + plan.preservedDescriptors)
        for descriptor in kept.map(UInt32.init).sorted() where descriptor >= first {
            if descriptor > first { _ = cl_close_range(first, descriptor - 1, 0) }
            first = descriptor + 1
        }
        _ = cl_close_range(first, .max, 0)
    }

    /// A directory of the host is no path of the container's root: the kernel says so (getcwd(3), CVE-2024-21626).
    private func verifyWorkingDirectory() throws {
        guard Guard.workingDirectory.holds else { return }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        guard getcwd(&buffer, buffer.count) != nil, buffer[0] == 0x2f else {
            throw SetupError(
                "process.cwd: \"\(process.cwd)\" is outside of the container's mount namespace root", code: 126)
        }
    }

    private func find(_ environment: [String]) throws -> String {
        guard let name = process.args?.first else { throw SetupError("no command specified", code: 127) }
        do {
            return try SearchPath.find(name, environment: environment) { path in
                var information = stat()
                guard stat(path, &information) == 0 else { return errno == EACCES ? .forbidden : .missing }
                if information.st_mode & S_IFMT == S_IFDIR { return .directory }
                return access(path, X_OK) == 0 ? .executable : .notExecutable
            }
        } catch {
            throw SetupError(error.description, code: error.code)
        }
    }

    /// Leaves this process behind as the reaper and goes on in a child, which has the terminal's foreground.
    private func split() throws {
        let child = try checked("fork", cl_fork())
        guard child == 0 else {
            _ = cl_close_range(3, .max, 0)
            cl_run_reaper(child)
        }
        setpgid(0, 0)
        signal(SIGTTOU, SIG_IGN)
        if isatty(0) == 1 { tcsetpgrp(0, getpid()) }
        signal(SIGTTOU, SIG_DFL)
    }
}

/// The kernel's security modules (lsm(7)).
enum SecurityModules {
    static func has(_ name: String) -> Bool {
        let text = (try? Files.text("/sys/kernel/security/lsm")) ?? ""
        if text.split(whereSeparator: { $0 == "," || $0.isWhitespace }).contains(Substring(name)) { return true }
        return name == "selinux" && Files.exists("/sys/fs/selinux/enforce")
    }
}
