import Glibc

extension Files {
    /// Makes or replaces a file so that whoever reads it finds the old bytes or the new, also when this process dies
    /// meanwhile: a temporary file, rename. After a loss of power it may hold neither.
    public static func replace(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o644) throws(SystemError) {
        let temporary = path + ".new"
        try write(temporary, bytes, mode: mode)
        try syscall("rename", on: path) { rename(temporary, path) }
    }
}
