import Glibc
import LinuxSystem

/// Copies what an image has at a path into an empty volume that is mounted there (Docker: nocopy is false).
struct VolumeFiller {
    /// The image's lower directories, topmost first.
    let layers: [String]
    let target: String
    let volume: String
    /// A directory to mount the image at.
    let scratch: String

    /// Does nothing where the volume holds something or the image has no such directory.
    func fill() throws {
        guard try Files.list(volume).isEmpty else { return }
        // Without the path in any layer there is nothing to mount for. A link on the way may lead elsewhere.
        guard layers.contains(where: { mayHold($0) }) else { return }
        guard layers.count > 1 else { return try copy(fromRoot: layers[0]) }
        try Files.makeDirectories(scratch)
        defer { rmdir(scratch) }
        try Mounts.mount(
            "overlay", on: scratch, type: "overlay", flags: 1,
            data: "lowerdir=" + layers.map(Self.escaped).joined(separator: ":"))
        defer { try? Mounts.detach(scratch) }
        try copy(fromRoot: scratch)
    }

    private static func escaped(_ path: String) -> String {
        path.reduce(into: "") { text, character in
            if ":\\,".contains(character) { text.append("\\") }
            text.append(character)
        }
    }

    private func mayHold(_ layer: String) -> Bool {
        var path = layer
        for part in target.split(separator: "/") {
            path += "/" + part
            var information = stat()
            guard lstat(path, &information) == 0 else { return false }
            if information.st_mode & S_IFMT == S_IFLNK { return true }
        }
        return true
    }

    private func copy(fromRoot root: String) throws {
        let directory = try Descriptor.open(root, O_RDONLY | O_DIRECTORY)
        guard let source = try Self.directory(String(target.drop { $0 == "/" }), inRoot: directory.rawValue) else {
            return
        }
        // The descriptor's own path names the directory whatever links led there.
        try Self.copyTree("/proc/self/fd/\(source.rawValue)/.", to: volume)
    }

    /// The directory at a path of the image; nil where there is none.
    private static func directory(_ path: String, inRoot root: Int32) throws(SystemError) -> Descriptor? {
        do {
            return try Descriptor.open(path, inRoot: root, O_RDONLY | O_DIRECTORY)
        } catch {
            if [ENOENT, ENOTDIR, ELOOP].contains(error.errno) { return nil }
            throw error
        }
    }

    /// Copies a directory's content, owners, modes and links; the target is there.
    private static func copyTree(_ source: String, to target: String) throws {
        try copyAttributes(source, to: target)
        for name in try Files.list(source) {
            let from = source + "/" + name
            let to = target + "/" + name
            var information = stat()
            try syscall("lstat", on: from) { lstat(from, &information) }
            switch information.st_mode & S_IFMT {
            case S_IFDIR:
                try syscall("mkdir", on: to) { mkdir(to, 0o700) }
                try copyTree(from, to: to)
            case S_IFREG:
                try copyFile(from, to: to)
                try copyAttributes(from, to: to)
            case S_IFLNK:
                var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
                let length = try syscall("readlink", on: from) {
                    buffer.withUnsafeMutableBytes {
                        readlink(from, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
                    }
                }
                let text = String(decoding: buffer[..<length], as: UTF8.self)
                try syscall("symlink", on: to) { symlink(text, to) }
                try syscall("lchown", on: to) { lchown(to, information.st_uid, information.st_gid) }
            default:
                try syscall("mknod", on: to) { mknod(to, information.st_mode, information.st_rdev) }
                try copyAttributes(from, to: to)
            }
        }
    }

    private static func copyFile(_ source: String, to target: String) throws {
        let input = try Descriptor.open(source, O_RDONLY | O_NOFOLLOW)
        let output = try Descriptor.open(target, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        while true {
            let piece = try Bytes.read(input.rawValue, upTo: 1 << 18)
            if piece.isEmpty { return }
            try Bytes.writeAll(output.rawValue, piece)
        }
    }

    private static func copyAttributes(_ source: String, to target: String) throws {
        var information = stat()
        try syscall("stat", on: source) { stat(source, &information) }
        try syscall("chown", on: target) { chown(target, information.st_uid, information.st_gid) }
        try syscall("chmod", on: target) { chmod(target, information.st_mode & 0o7777) }
        var times = [information.st_atim, information.st_mtim]
        try syscall("utimensat", on: target) { utimensat(AT_FDCWD, target, &times, 0) }
    }
}
