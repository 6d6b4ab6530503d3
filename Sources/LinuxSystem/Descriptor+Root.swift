import CLinux
import Glibc

/// Opening paths that may lead only so far (openat2(2)); O_CLOEXEC is added.
extension Descriptor {
    /// How often a path is resolved again at most.
    private static let resolutionLimit = 10_000

    /// - Parameter rules: CL_RESOLVE_… that hold for every component of the path.
    public static func open(
        _ path: String, at directory: Int32, _ flags: Int32, mode: mode_t = 0, resolving rules: Int
    ) throws(SystemError) -> Descriptor {
        var result: Int32
        var attempts = 0
        repeat {
            result = cl_openat2(directory, path, flags | O_CLOEXEC, UInt32(mode), UInt64(rules))
            attempts += 1
            // A mount or a rename anywhere on the machine meanwhile: the kernel cannot say where `..` leads.
        } while result == -EAGAIN && attempts < resolutionLimit
        return Descriptor(owning: try checked("openat2", on: path, result))
    }

    /// Opens `path` beneath a directory: no `..`, absolute path, symbolic or magic link leads out.
    public static func open(
        _ path: String, beneath directory: Int32, _ flags: Int32, mode: mode_t = 0
    ) throws(SystemError) -> Descriptor {
        let rules = Int(CL_RESOLVE_BENEATH | CL_RESOLVE_NO_MAGICLINKS)
        return try open(path, at: directory, flags, mode: mode, resolving: rules)
    }

    /// Opens `path` as a process whose root is `directory` would: links that are absolute or lead up stay below it.
    public static func open(
        _ path: String, inRoot directory: Int32, _ flags: Int32, mode: mode_t = 0
    ) throws(SystemError) -> Descriptor {
        let rules = Int(CL_RESOLVE_IN_ROOT | CL_RESOLVE_NO_MAGICLINKS)
        return try open(path.isEmpty ? "." : path, at: directory, flags, mode: mode, resolving: rules)
    }
}
