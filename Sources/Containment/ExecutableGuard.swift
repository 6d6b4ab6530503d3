import CLinux
import Glibc
import LinuxSystem

/// Keeps this program's file out of the reach of containers, whose processes see it as /proc/<pid>/exe between being
/// cloned and exec (CVE-2019-5736): it must run from a read-only mount of its own, or from sealed memory.
public enum ExecutableGuard {
    /// Starts the program again from a guarded file where it does not run from one.
    public static func enter(arguments: [String], environment: [String]) throws(SystemError) {
        if isGuarded() || !Guard.executable.holds { return }
        let program = try guardedProgram()
        let result = ChildProcess.withCStrings(arguments) { arguments in
            ChildProcess.withCStrings(environment) { cl_execveat(program.rawValue, arguments, $0) }
        }
        try checked("execveat", on: "/proc/self/exe", result)
    }

    private static func isGuarded() -> Bool {
        guard let program = try? Descriptor.open("/proc/self/exe", O_RDONLY) else { return false }
        var information = statvfs()
        if fstatvfs(program.rawValue, &information) == 0, information.f_flag & UInt(ST_RDONLY) != 0 {
            return true
        }
        let sealedAgainstWrites: Int32 = 8
        let seals = cl_seals(program.rawValue)
        return seals >= 0 && seals & sealedAgainstWrites != 0
    }

    private static func guardedProgram() throws(SystemError) -> Descriptor {
        if geteuid() == 0, let standing = try? StandingProgram.open() { return standing }
        let tree = cl_open_tree_clone("/proc/self/exe")
        if tree >= 0 {
            let clone = Descriptor(owning: tree)
            if cl_mount_set_readonly(tree) >= 0 { return clone }
        }
        // A kernel without these calls, or no right to mount: a copy that nobody can change.
        let source = try Descriptor.open("/proc/self/exe", O_RDONLY)
        let copy = Descriptor(owning: try checked("memfd_create", cl_memfd_sealable("martlet-runtime")))
        while try checked("sendfile", cl_sendfile(copy.rawValue, source.rawValue, 1 << 20)) > 0 {}
        try checked("seal", cl_seal(copy.rawValue))
        return copy
    }
}
