import CLinux
import Glibc
import LinuxSystem
import RuntimeProtocol
import Seccomp

/// The last steps of a process inside its container: user, limits, capabilities, filter, exec.
struct ProcessSetup {
    let process: ProcessSpecification
    /// Of its system calls; nil for none.
    let filter: SeccompFilter?
    /// Whether a small process of ours stays as number 1 and the program becomes its child.
    let hasReaper: Bool

    private static let deathSignal: Int32 = 1
    private static let dumpable: Int32 = 4
    private static let keepCapabilities: Int32 = 8
    private static let noNewPrivileges: Int32 = 38
    /// The longest passwd or group file that is read, in bytes.
    private static let databaseLimit = 8 << 20

    /// The process ends with its shim, and nobody in the container may look into it until it runs its own program.
    static func bindLifeToShim() throws(SystemError) {
        try checked("prctl", cl_prctl(deathSignal, UInt(SIGKILL), 0, 0, 0))
        try checked("prctl", cl_prctl(dumpable, 0, 0, 0, 0))
        hideArguments()
    }

    /// Until exec the process is a copy of the shim: its arguments are paths of the host.
    private static func hideArguments() {
        for index in 0..<Int(CommandLine.argc) {
            guard let argument = CommandLine.unsafeArgv[index] else { continue }
            memset(argument, 0, strlen(argument))
            if index == 0 { memcpy(argument, "init", 4) }
        }
    }

    /// Becomes the program; returns only by an error.
    func become(_ sync: borrowing SyncChannel) throws {
        let identity = try identify()
        try setLimits()
        own(identity.uid)
        let entered = chdir(process.workingDirectory) == 0
        var permitted: UInt64 = 0
        var bounding: UInt64 = 0
        try checked("capget", cl_permitted_capabilities(&permitted, &bounding))
        let capabilities = process.capabilities & permitted & bounding
        try checked("drop capabilities", cl_drop_bounding(capabilities))
        try checked("setgroups", cl_setgroups(identity.groups.count, identity.groups))
        try checked("setgid", cl_setresgid(identity.gid))
        try checked("prctl", cl_prctl(Self.keepCapabilities, 1, 0, 0, 0))
        try checked("setuid", cl_setresuid(identity.uid))
        try checked("prctl", cl_prctl(Self.keepCapabilities, 0, 0, 0, 0))
        if !entered, chdir(process.workingDirectory) != 0 {
            throw SetupError(
                "chdir to cwd (\"\(process.workingDirectory)\") set in config.json failed: \(describe(errno))",
                code: 126)
        }
        var environment = process.environment
        if SearchPath.value(of: "HOME", in: environment) == nil { environment.append("HOME=" + identity.home) }
        let path = try program(environment)
        // A change of user took the death signal and the effective capabilities away.
        try checked("prctl", cl_prctl(Self.deathSignal, UInt(SIGKILL), 0, 0, 0))
        try checked("capset", cl_capset(permitted, permitted, 0))
        _ = cl_set_ambient(0)
        if process.noNewPrivileges { try checked("prctl", cl_prctl(Self.noNewPrivileges, 1, 0, 0, 0)) }
        umask(0o022)
        cl_reset_signals()
        // Everything but 0, 1 and 2 closes with exec, the channel to the shim too.
        _ = cl_close_range(3, .max, 4)
        if hasReaper { try split() }
        // The engine's profiles notify nobody, so there is no listener to hand on.
        _ = try filter?.load()
        try checked("capset", cl_capset(capabilities, capabilities, 0))
        let result = ChildProcess.withCStrings(process.arguments) { arguments in
            ChildProcess.withCStrings(environment) { cl_execve(path, arguments, $0) }
        }
        throw SetupError("exec \(path): \(describe(-result))", code: -result == ENOENT ? 127 : 126)
    }

    private func identify() throws -> UserDatabase.Identity {
        let database = UserDatabase(
            passwd: try Self.databaseFile("/etc/passwd"), group: try Self.databaseFile("/etc/group"))
        do {
            return try database.resolve(process.user)
        } catch {
            throw SetupError(error.description, code: 126)
        }
    }

    /// A file of the image; it may be anything, so it is neither waited for nor read without limit.
    private static func databaseFile(_ path: String) throws -> String {
        guard let file = try? Descriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY) else { return "" }
        var information = stat()
        guard fstat(file.rawValue, &information) == 0, information.st_mode & S_IFMT == S_IFREG else { return "" }
        return String(decoding: try Bytes.readToEnd(file.rawValue, limit: databaseLimit), as: UTF8.self)
    }

    private func setLimits() throws {
        for limit in process.limits {
            let result = cl_setrlimit(limit.resource, limit.soft, limit.hard)
            guard result < 0 else { continue }
            throw SetupError(
                "error setting rlimits for ready process: error setting rlimit type \(limit.resource): "
                    + describe(-result))
        }
        let file = "/proc/self/oom_score_adj"
        if let score = process.oomScoreAdjustment {
            do {
                try Files.set(file, "\(score)")
            } catch {
                throw SetupError("write \(file): \(describe(error.errno))")
            }
        } else if let present = try? Files.text(file), present.hasPrefix("-") {
            // The daemon's protection is not the container's.
            try? Files.set(file, "0")
        }
    }

    /// The streams belong to the user, so that it may open /dev/stdout and the like again.
    private func own(_ uid: UInt32) {
        var null = stat()
        let hasNull = stat("/dev/null", &null) == 0
        for descriptor in 0..<Int32(3) {
            var information = stat()
            guard fstat(descriptor, &information) == 0, information.st_uid != uid else { continue }
            if hasNull, information.st_rdev == null.st_rdev, information.st_mode & S_IFMT == S_IFCHR { continue }
            _ = fchown(descriptor, uid, gid_t.max)
        }
    }

    private func program(_ environment: [String]) throws -> String {
        guard let name = process.arguments.first else { throw SetupError("no command specified", code: 127) }
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
