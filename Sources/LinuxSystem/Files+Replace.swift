import Glibc

extension Files {
    /// Makes or replaces a file so that whoever reads it finds the old bytes or the new, also when this process dies
    /// meanwhile: a temporary file, rename. After a loss of power it may hold neither.
    public static func replace(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o644) throws(SystemError) {
        let temporary = path + ".new"
        try write(temporary, bytes, mode: mode)
        try syscall("rename", on: path) { Glibc.rename(temporary, path) }
    }

    /// The same, on the disk when it returns (fsync(2)): the file is renamed first, so that one call brings both to the
    /// disk. Until then a loss of power may leave neither, or an empty file.
    public static func replaceDurably(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o644) throws(SystemError) {
        let temporary = path + ".new"
        let file = try Descriptor.open(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
        try Bytes.writeAll(file.rawValue, bytes)
        try syscall("rename", on: path) { Glibc.rename(temporary, path) }
        try syscall("fsync", on: path) { fsync(file.rawValue) }
    }
}

extension Files {
    /// Gives a file or directory another name, durably; what has that name must be gone, or be an empty directory.
    public static func rename(_ path: String, to target: String) throws(SystemError) {
        try syscall("rename", on: target) { Glibc.rename(path, target) }
        try synchronizeDirectory(parent(of: target))
    }
}
