import CLinux
import Glibc

extension Descriptor {
    /// Opens `path` as a process whose root is `directory` would: links that are absolute or lead up stay below it
    /// (openat2(2), RESOLVE_IN_ROOT).
    public static func open(
        _ path: String, inRoot directory: Int32, _ flags: Int32, mode: mode_t = 0
    ) throws(SystemError) -> Descriptor {
        let resolve = UInt64(CL_RESOLVE_IN_ROOT | CL_RESOLVE_NO_MAGICLINKS)
        return Descriptor(
            owning: try checked(
                "openat2", on: path,
                cl_openat2(directory, path.isEmpty ? "." : path, flags | O_CLOEXEC, UInt32(mode), resolve)))
    }
}
