import CLinux
import Glibc
import LinuxSystem

/// A container's root by descriptor. Every path in it is resolved as if it were `/`: links cannot lead out (openat2(2),
/// RESOLVE_IN_ROOT).
struct RootTree: ~Copyable {
    let descriptor: Descriptor

    /// Opens what is there, for reference (O_PATH) unless `flags` say otherwise; nil where there is nothing.
    func open(_ path: String, _ flags: Int32 = O_PATH) throws(SystemError) -> Descriptor? {
        let resolve = UInt64(CL_RESOLVE_IN_ROOT | CL_RESOLVE_NO_MAGICLINKS)
        let result = cl_openat2(descriptor.rawValue, path, flags | O_CLOEXEC, 0, resolve)
        if result == -ENOENT || result == -ENOTDIR { return nil }
        return Descriptor(owning: try checked("open", on: path, result))
    }

    /// A directory, made with those above it where it is missing.
    func directory(_ path: String) throws(SystemError) -> Descriptor {
        if let found = try open(path) {
            try Self.require(S_IFDIR, found.rawValue, path)
            return found
        }
        return try make(path) { (parent, name) throws(SystemError) in
            if mkdirat(parent, name, 0o755) != 0, errno != EEXIST { throw SystemError("mkdir", path, errno: errno) }
            let flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
            return Descriptor(owning: try syscall("open", on: path) { openat(parent, name, flags) })
        }
    }

    /// A file to mount on, made empty with the directories above it where it is missing.
    func file(_ path: String) throws(SystemError) -> Descriptor {
        if let found = try open(path) {
            var information = stat()
            if fstat(found.rawValue, &information) == 0, information.st_mode & S_IFMT == S_IFDIR {
                throw SystemError("mount a file", path, errno: EISDIR)
            }
            return found
        }
        return try make(path) { (parent, name) throws(SystemError) in
            let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
            return Descriptor(owning: try syscall("create", on: path) { openat(parent, name, flags, 0o755) })
        }
    }

    /// Makes the last component with `body`, and missing directories above it.
    private func make(
        _ path: String, _ body: (Int32, String) throws(SystemError) -> Descriptor
    ) throws(SystemError) -> Descriptor {
        let components = Self.components(path)
        guard let last = components.last else { throw SystemError("make", path, errno: EEXIST) }
        let parent = try directory("/" + components.dropLast().joined(separator: "/"))
        return try body(parent.rawValue, last)
    }

    /// The components of a path with `.` and `..` taken out as text; the result never leaves the root.
    static func components(_ path: String) -> [String] {
        var result: [String] = []
        for component in path.split(separator: "/") where component != "." {
            if component == ".." { _ = result.popLast() } else { result.append(String(component)) }
        }
        return result
    }

    private static func require(_ kind: mode_t, _ descriptor: Int32, _ path: String) throws(SystemError) {
        var information = stat()
        try syscall("stat", on: path) { fstat(descriptor, &information) }
        if information.st_mode & S_IFMT != kind { throw SystemError("mount a directory", path, errno: ENOTDIR) }
    }
}
