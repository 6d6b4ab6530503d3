import CLinux
import Glibc

/// Files and directories by path. Paths from outside are opened beneath a descriptor instead.
public enum Files {
    /// The longest file that is read whole, in bytes.
    public static let readLimit = 64 << 20

    /// The whole file; /proc and cgroup files too, whose size is not known beforehand.
    public static func read(_ path: String, limit: Int = readLimit) throws(SystemError) -> [UInt8] {
        let file = try Descriptor.open(path, O_RDONLY)
        do {
            return try Bytes.readToEnd(file.rawValue, limit: limit)
        } catch {
            throw SystemError(error.operation, path, errno: error.errno)
        }
    }

    /// The whole file as text.
    public static func text(_ path: String) throws(SystemError) -> String {
        String(decoding: try read(path), as: UTF8.self)
    }

    /// Writes into an existing file such as those of cgroups and /proc, in one call.
    public static func set(_ path: String, _ value: String) throws(SystemError) {
        let file = try Descriptor.open(path, O_WRONLY)
        let bytes = Array(value.utf8)
        try syscall("write", on: path) { Glibc.write(file.rawValue, bytes, bytes.count) }
    }

    /// Makes or replaces a file; what it held before may be lost with the power.
    public static func write(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o644) throws(SystemError) {
        let file = try Descriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
        try Bytes.writeAll(file.rawValue, bytes)
    }

    public static func write(_ path: String, _ text: String, mode: mode_t = 0o644) throws(SystemError) {
        try write(path, Array(text.utf8), mode: mode)
    }

    /// What `writeDurably` adds to a name until the bytes are on the disk; an end of the process leaves it behind.
    public static let temporarySuffix = ".tmp"

    /// Makes or replaces a file so that after a loss of power it holds the old bytes or the new: a temporary file,
    /// fsync, rename, fsync of the directory.
    public static func writeDurably(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o644) throws(SystemError) {
        let temporary = path + temporarySuffix
        do {
            let file = try Descriptor.open(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
            try Bytes.writeAll(file.rawValue, bytes)
            try syscall("fchmod", on: temporary) { fchmod(file.rawValue, mode) }
            try syscall("fsync", on: temporary) { fsync(file.rawValue) }
        }
        try syscall("rename", on: path) { Glibc.rename(temporary, path) }
        try synchronizeDirectory(parent(of: path))
    }

    /// Makes a directory's entries durable (fsync(2)).
    public static func synchronizeDirectory(_ path: String) throws(SystemError) {
        let directory = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
        try syscall("fsync", on: path) { fsync(directory.rawValue) }
    }

    public static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    /// The absolute path without links (realpath(3)).
    public static func realPath(_ path: String) throws(SystemError) -> String {
        guard let text = realpath(path, nil) else { throw SystemError("realpath", path, errno: errno) }
        defer { free(text) }
        return String(cString: text)
    }

    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    public static func isDirectory(_ path: String) -> Bool {
        var information = stat()
        return stat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
    }

    /// Makes a directory and those above it; what exists stays as it is.
    public static func makeDirectories(_ path: String, mode: mode_t = 0o755) throws(SystemError) {
        if mkdir(path, mode) == 0 || errno == EEXIST && isDirectory(path) { return }
        guard errno == ENOENT, path != "/" else { throw SystemError("mkdir", path, errno: errno) }
        try makeDirectories(parent(of: path), mode: mode)
        if mkdir(path, mode) != 0, errno != EEXIST { throw SystemError("mkdir", path, errno: errno) }
    }

    /// The names in a directory, without `.` and `..`, sorted.
    public static func list(_ path: String) throws(SystemError) -> [String] {
        guard let handle = opendir(path) else { throw SystemError("opendir", path, errno: errno) }
        defer { closedir(handle) }
        return names(handle).map(text).sorted()
    }

    /// The names in an open directory, without `.` and `..`.
    public static func list(inDirectory directory: Int32) throws(SystemError) -> [String] {
        try entries(of: directory, "").map(text)
    }

    /// The same names byte for byte, each with a zero at its end: they need not be text.
    public static func names(inDirectory directory: Int32) throws(SystemError) -> [[CChar]] {
        try entries(of: directory, "")
    }

    /// Names with their ends, byte for byte: they need not be text.
    private static func names(_ handle: OpaquePointer) -> [[CChar]] {
        var names: [[CChar]] = []
        while let entry = readdir(handle) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
            }
            if name != [0x2e, 0], name != [0x2e, 0x2e, 0] { names.append(name) }
        }
        return names
    }

    private static func text(_ name: [CChar]) -> String {
        String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes a file or a whole directory without following links; nothing there is fine. Mounts below stay: EBUSY.
    public static func removeTree(_ path: String) throws(SystemError) {
        try removeTree(Array(path.utf8CString), at: AT_FDCWD)
    }

    /// The same for a null-terminated path that starts at an open directory.
    public static func removeTree(_ path: [CChar], at directory: Int32) throws(SystemError) {
        let shown = text(path)
        if unlinkat(directory, path, 0) == 0 || errno == ENOENT { return }
        guard errno == EISDIR || errno == EPERM else { throw SystemError("unlink", shown, errno: errno) }
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let root = Descriptor(owning: try syscall("open", on: shown) { openat(directory, path, flags) })
        // Again while there is something: what lay too deep has been moved here.
        while true {
            let found = try entries(of: root.rawValue, shown)
            if found.isEmpty { break }
            for name in found { try remove(name, in: root.rawValue, depth: 1, root: root.rawValue, shown) }
        }
        if unlinkat(directory, path, AT_REMOVEDIR) != 0, errno != ENOENT {
            throw SystemError("rmdir", shown, errno: errno)
        }
    }

    /// How many directories `removeTree` has open at once; a tree may be deeper than a process may have descriptors.
    private static let removalDepth = 64

    private static func remove(
        _ name: [CChar], in parent: Int32, depth: Int, root: Int32, _ shown: String
    ) throws(SystemError) {
        if unlinkat(parent, name, 0) == 0 || errno == ENOENT { return }
        let shown = shown + "/" + text(name)
        guard errno == EISDIR || errno == EPERM else { throw SystemError("unlink", shown, errno: errno) }
        if depth >= removalDepth {
            var information = stat()
            try syscall("stat", on: shown) { fstatat(parent, name, &information, AT_SYMLINK_NOFOLLOW) }
            try syscall("rename", on: shown) { renameat(parent, name, root, ".removed-\(information.st_ino)") }
            return
        }
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let child = Descriptor(owning: try syscall("open", on: shown) { openat(parent, name, flags) })
        for entry in try entries(of: child.rawValue, shown) {
            try remove(entry, in: child.rawValue, depth: depth + 1, root: root, shown)
        }
        if unlinkat(parent, name, AT_REMOVEDIR) != 0, errno != ENOENT {
            throw SystemError("rmdir", shown, errno: errno)
        }
    }

    private static func entries(of directory: Int32, _ shown: String) throws(SystemError) -> [[CChar]] {
        let copy = try syscall("open", on: shown) { openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard let handle = fdopendir(copy) else {
            close(copy)
            throw SystemError("opendir", shown, errno: errno)
        }
        defer { closedir(handle) }
        return names(handle)
    }
}
