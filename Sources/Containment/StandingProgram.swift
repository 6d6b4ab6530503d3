import CLinux
import Glibc
import LinuxSystem

/// A read-only mount of this program's file that stays until the host is restarted. One that goes with each process
/// would make the kernel wait for all its processors every time.
enum StandingProgram {
    private static let directory = "/run/martlet-runtime-program"

    /// The program by the mount, which is made where it is not there yet.
    static func open() throws(SystemError) -> Descriptor {
        var program = stat()
        try syscall("stat", on: "/proc/self/exe") { stat("/proc/self/exe", &program) }
        let path = "\(directory)/\(program.st_dev)-\(program.st_ino)"
        if let mounted = try? opened(path), isMount(of: program, mounted.rawValue) { return mounted }
        let lock = try lockedDirectory()
        // Who held the lock before may have made it.
        if let mounted = try? opened(path), isMount(of: program, mounted.rawValue) { return mounted }
        try make(path)
        let mounted = try opened(path)
        guard isMount(of: program, mounted.rawValue) else { throw SystemError("mount", path, errno: ESTALE) }
        _ = consume lock
        return mounted
    }

    private static func make(_ path: String) throws(SystemError) {
        sweep(except: path)
        close(try syscall("create", on: path) { Glibc.open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o500) })
        let tree = Descriptor(owning: try checked("open_tree", cl_open_tree_clone("/proc/self/exe")))
        try checked("mount_setattr", cl_mount_set_readonly(tree.rawValue))
        try MountTree.change(tree.rawValue, propagation: Int(CL_MS_PRIVATE))
        let target = try opened(path)
        try MountTree.attach(tree.rawValue, onto: target.rawValue, shown: path)
    }

    private static func opened(_ path: String) throws(SystemError) -> Descriptor {
        try Descriptor.open(path, pathOnly | O_NOFOLLOW)
    }

    private static func isMount(of program: stat, _ descriptor: Int32) -> Bool {
        var information = stat()
        var system = statvfs()
        return fstat(descriptor, &information) == 0 && information.st_dev == program.st_dev
            && information.st_ino == program.st_ino && fstatvfs(descriptor, &system) == 0
            && system.f_flag & UInt(ST_RDONLY) != 0
    }

    /// The directory, which nobody but root may put anything into, locked against others that make mounts there.
    private static func lockedDirectory() throws(SystemError) -> Descriptor {
        if mkdir(directory, 0o700) != 0, errno != EEXIST { throw SystemError("mkdir", directory, errno: errno) }
        let opened = try Descriptor.open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var information = stat()
        try syscall("stat", on: directory) { fstat(opened.rawValue, &information) }
        guard information.st_uid == 0, information.st_mode & 0o077 == 0 else {
            throw SystemError("use", directory, errno: EPERM)
        }
        try syscall("flock", on: directory) { flock(opened.rawValue, LOCK_EX) }
        return opened
    }

    /// Takes away mounts of programs that have been replaced since.
    private static func sweep(except kept: String) {
        for name in (try? Files.list(directory)) ?? [] {
            let path = directory + "/" + name
            var information = stat()
            guard path != kept, stat(path, &information) == 0, information.st_nlink == 0 else { continue }
            try? Mounts.detach(path)
            unlink(path)
        }
    }
}
