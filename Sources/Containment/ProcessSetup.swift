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

    var process: ProcessConfiguration { plan.configuration }

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
        // Until exec the process is a copy of the runtime: its arguments are paths of the host.
        ProgramArguments.hide(behind: "init")
    }

    /// Keeps others from tracing the process and from what it has open (ptrace(2), CVE-2016-9962); a child inherits it,
    /// a change of user may undo it.
    static func becomeOpaque() throws(SystemError) { try checked("prctl", cl_prctl(dumpable, 0, 0, 0, 0)) }

    /// A session keyring of its own, so that the host's keys stay out of reach (session-keyring(7)). A kernel without
    /// keyrings has none to share.
    static func beginKeyring(_ name: String?) throws(SystemError) {
        let result = cl_new_session_keyring(name)
        if result != -ENOSYS { try checked("keyctl", on: "session keyring", result) }
    }

    /// Takes on everything but the filter and the last capabilities, and finds the program.
    ///
    /// - Parameter kept: what stays open, beside what the program is to have. Everything else is closed here: paths of
    ///   the container are followed from now on, and one may lead through what is open (CVE-2024-21626).
    mutating func prepare(_ proc: borrowing HostProc, keeping kept: [Int32]) throws -> Program {
        let identity = try identify()
        try setLimits(proc)
        try schedule()
        try label(proc)
        // Where a user namespace denies setgroups(2), an ordinary user made it and keeps its groups. It may also be the
        // runtime's own.
        let keepsGroups = (try? proc.text("self/setgroups"))?.hasPrefix("deny") == true
        own(identity.uid)
        closeDescriptors(but: kept)
        let entered = chdir(process.cwd) == 0
        var permitted: UInt64 = 0
        var limit: UInt64 = 0
        try checked("capget", cl_permitted_capabilities(&permitted, &limit))
        let held = CapabilitySets(process.capabilities).cut(permitted: permitted, bounding: limit)
        try checked("drop capabilities", cl_drop_bounding(held.bounding))
        try become(identity, keepsGroups: keepsGroups)
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
        closeDescriptors(but: [sync.descriptor.rawValue])
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

    /// A file of the image; it may be anything, so it is neither waited for nor read without limit, and no link to what
    /// is open here is followed.
    private static func databaseFile(_ path: String) throws -> String {
        let flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
        let opened = cl_openat2(AT_FDCWD, path, flags, 0, UInt64(CL_RESOLVE_NO_MAGICLINKS))
        guard opened >= 0 else { return "" }
        let file = Descriptor(owning: opened)
        var information = stat()
        guard fstat(file.rawValue, &information) == 0, information.st_mode & S_IFMT == S_IFREG else { return "" }
        return String(decoding: try Bytes.readToEnd(file.rawValue, limit: databaseLimit), as: UTF8.self)
    }

    private func become(_ identity: UserDatabase.Identity, keepsGroups: Bool) throws {
        if !keepsGroups {
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

    static func member(_ name: String, _ body: () throws(SystemError) -> Int32) throws(SetupError) {
        do {
            _ = try body()
        } catch {
            throw SetupError("\(name): \(error)")
        }
    }

    // MARK: Directory and program

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
