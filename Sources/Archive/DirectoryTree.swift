import CLinux
import Glibc
import LinuxSystem

/// A directory whose paths are resolved within it, as if it were the root (openat2(2), RESOLVE_IN_ROOT): a link in it
/// leads nowhere else. For one thread.
final class DirectoryTree {
    let root: Int32
    /// The parent of the last entry, because entries of one directory follow each other.
    private var cached: (path: ArchivePath, descriptor: Int32)?

    /// - Parameter root: stays the caller's.
    init(root: Int32) { self.root = root }

    deinit { forget() }

    /// Must be called when a directory or a link has been replaced.
    func forget() {
        if let cached { close(cached.descriptor) }
        cached = nil
    }

    /// Opens what is at `path`, a link to it followed within the root.
    func open(_ path: ArchivePath, _ flags: Int32) throws(SystemError) -> Descriptor {
        let resolve = UInt64(CL_RESOLVE_IN_ROOT | CL_RESOLVE_NO_MAGICLINKS)
        while true {
            let result = cl_openat2(root, path.cString, flags | O_CLOEXEC, 0, resolve)
            // A rename elsewhere on the machine can make the kernel ask for another try.
            if result == -EAGAIN { continue }
            return Descriptor(owning: try checked("openat2", on: path.description, result))
        }
    }

    /// The directory that holds `path`, made where it is missing; the descriptor is valid until the next call.
    func parent(of path: ArchivePath) throws(ArchiveError) -> Int32 {
        let wanted = path.parent
        if let cached, cached.path == wanted { return cached.descriptor }
        forget()
        let descriptor: Int32
        do throws(SystemError) {
            descriptor = try open(wanted, Int32(CL_O_PATH) | O_DIRECTORY).release()
        } catch  where error.errno == ENOENT || error.errno == ENOTDIR {
            descriptor = try makeDirectories(wanted)
        } catch {
            throw ArchiveError(error, path: path)
        }
        cached = (wanted, descriptor)
        return descriptor
    }

    private func makeDirectories(_ path: ArchivePath) throws(ArchiveError) -> Int32 {
        var current = try naming(path) { try open(ArchivePath(names: []), Int32(CL_O_PATH) | O_DIRECTORY).release() }
        for count in path.names.indices {
            let parent = Descriptor(owning: current)
            let step = ArchivePath(names: Array(path.names[...count]))
            current = try naming(path) { try enter(step, in: parent.rawValue).release() }
        }
        return current
    }

    /// Opens the directory `step`, whose parent is open; makes it where it is missing.
    private func enter(_ step: ArchivePath, in parent: Int32) throws -> Descriptor {
        let flags = Int32(CL_O_PATH) | O_DIRECTORY
        let resolve = UInt64(CL_RESOLVE_IN_ROOT | CL_RESOLVE_NO_MAGICLINKS)
        let found = cl_openat2(root, step.cString, flags | O_CLOEXEC, 0, resolve)
        if found >= 0 { return Descriptor(owning: found) }
        guard found == -ENOENT || found == -ENOTDIR || found == -EAGAIN else {
            throw SystemError("openat2", step.description, errno: -found)
        }
        if found == -EAGAIN { return try open(step, flags) }
        let hidesLower = isWhiteout(parent, step.cName)
        if hidesLower { unlinkat(parent, step.cName, 0) }
        guard mkdirat(parent, step.cName, 0o755) == 0 else {
            guard errno == EEXIST else { throw SystemError("mkdir", step.description, errno: errno) }
            throw ArchiveError(.corrupted, "above it stands no directory, or a link to none", path: step.description)
        }
        let directory = try open(step, O_RDONLY | O_DIRECTORY)
        try syscall("fchmod", on: step.description) { fchmod(directory.rawValue, 0o755) }
        if hidesLower { try Whiteout.makeOpaque(directory.rawValue) }
        return directory
    }

    /// What is at a name, without following a link; nil where nothing is.
    func status(_ directory: Int32, _ name: [CChar]) -> stat? {
        var information = stat()
        return fstatat(directory, name, &information, AT_SYMLINK_NOFOLLOW) == 0 ? information : nil
    }

    func isWhiteout(_ directory: Int32, _ name: [CChar]) -> Bool {
        status(directory, name).map(Whiteout.isDevice) ?? false
    }

    /// The names in a directory, without `.` and `..`, sorted.
    static func names(in directory: Int32) throws(SystemError) -> [[UInt8]] {
        let copy = try syscall("open") { openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard let handle = fdopendir(copy) else {
            close(copy)
            throw SystemError("opendir", errno: errno)
        }
        defer { closedir(handle) }
        var names: [[UInt8]] = []
        while let entry = readdir(handle) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if !name.elementsEqual(".".utf8), !name.elementsEqual("..".utf8) { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }
}

/// How layers say that something of a lower layer is gone: in archives by names (OCI image-spec: layer, Whiteouts), on
/// disk as overlayfs has it (a character device 0/0, an attribute).
enum Whiteout {
    static let prefix = Array(".wh.".utf8)
    static let opaqueName = Array(".wh..wh..opq".utf8)
    static let metadataPrefix = Array(".wh..wh.".utf8)
    static let opaqueAttribute = "trusted.overlay.opaque"

    static func makeOpaque(_ directory: Int32) throws(SystemError) {
        try checked("setxattr", on: opaqueAttribute, cl_fsetxattr(directory, opaqueAttribute, "y", 1))
    }

    static func isDevice(_ information: stat) -> Bool {
        information.st_mode & S_IFMT == S_IFCHR && information.st_rdev == 0
    }
}
