import CLinux
import Glibc
import LinuxSystem

/// Copies what a directory holds into another, by descriptors alone: names of the source lead nowhere else. They
/// need not be text.
enum TreeCopy {
    /// The deepest tree that is copied.
    private static let depthLimit = 256
    /// The longest extended attribute that is copied, in bytes (XATTR_SIZE_MAX, linux/limits.h).
    private static let attributeLimit = 65_536

    /// Copies files, directories, links and nodes with their owners, modes and extended attributes.
    static func copy(from source: Int32, to target: Int32) throws { try copy(source, target, depth: 0) }

    private static func copy(_ source: Int32, _ target: Int32, depth: Int) throws {
        guard depth < depthLimit else { throw SetupError("tmpcopyup: deeper than \(depthLimit) directories") }
        for name in try Files.names(inDirectory: source) {
            let shown = shown(name)
            var information = stat()
            try syscall("stat", on: shown) { fstatat(source, name, &information, AT_SYMLINK_NOFOLLOW) }
            switch information.st_mode & S_IFMT {
            case S_IFDIR:
                try syscall("mkdir", on: shown) { mkdirat(target, name, 0o700) }
                let from = try open(source, name, O_RDONLY | O_DIRECTORY)
                let to = try open(target, name, O_RDONLY | O_DIRECTORY)
                try copy(from.rawValue, to.rawValue, depth: depth + 1)
                try dress(to.rawValue, from.rawValue, information)
            case S_IFREG:
                let from = try open(source, name, O_RDONLY)
                let to = try open(target, name, O_WRONLY | O_CREAT | O_EXCL)
                while try checked("sendfile", on: shown, cl_sendfile(to.rawValue, from.rawValue, 1 << 20)) > 0 {}
                try dress(to.rawValue, from.rawValue, information)
            case S_IFLNK:
                var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
                try syscall("readlink", on: shown) { readlinkat(source, name, &buffer, Int(PATH_MAX)) }
                try syscall("symlink", on: shown) { symlinkat(buffer, target, name) }
                try own(target, name, information)
            default:
                let number = UInt64(information.st_rdev)
                try checked(
                    "mknod", on: shown,
                    cl_mknodat(target, name, information.st_mode, cl_major(number), cl_minor(number)))
                try own(target, name, information)
            }
        }
    }

    /// A name for an error's text.
    private static func shown(_ name: [CChar]) -> String {
        String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func open(_ directory: Int32, _ name: [CChar], _ flags: Int32) throws(SystemError) -> Descriptor {
        Descriptor(
            owning: try syscall("open", on: shown(name)) {
                openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, 0o600)
            })
    }

    private static func own(_ directory: Int32, _ name: [CChar], _ information: stat) throws(SystemError) {
        try syscall("chown", on: shown(name)) {
            fchownat(directory, name, information.st_uid, information.st_gid, AT_SYMLINK_NOFOLLOW)
        }
    }

    /// Owner first: a change of it takes set-user-ID bits away.
    private static func dress(_ target: Int32, _ source: Int32, _ information: stat) throws(SystemError) {
        try syscall("chown") { fchown(target, information.st_uid, information.st_gid) }
        try syscall("chmod") { fchmod(target, information.st_mode & 0o7777) }
        let length = cl_flistxattr(source, nil, 0)
        guard length > 0 else { return }
        var list = [CChar](repeating: 0, count: Int(length) + 1)
        guard cl_flistxattr(source, &list, Int(length)) > 0 else { return }
        for name in list.dropLast().split(separator: 0) {
            var value = [UInt8](repeating: 0, count: attributeLimit)
            let name = Array(name) + [0]
            let size = cl_fgetxattr(source, name, &value, value.count)
            // Some kinds a tmpfs does not take.
            if size >= 0 { _ = cl_fsetxattr(target, name, value, Int(size)) }
        }
        let times = [information.st_atim, information.st_mtim]
        _ = futimens(target, times)
    }
}
