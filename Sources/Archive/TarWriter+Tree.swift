import CLinux
import Glibc
import LinuxSystem
import Values

extension TarWriter {
    /// How a directory tree becomes entries.
    public enum TreeForm: Sendable {
        /// As it is.
        case plain
        /// An upper directory of overlayfs as a layer: devices 0/0 and opaque directories become `.wh.` entries.
        case layer
    }

    /// Writes all that is in a directory, in the order of names; hard links within it are kept, sockets left out.
    ///
    /// - Parameter directory: stays the caller's.
    public func writeTree(_ directory: Int32, form: TreeForm = .plain) throws(ArchiveError) {
        var walk = TreeWalk(form: form)
        try naming(nil) { try walk.write(directory, ArchivePath(names: []), to: self) }
    }
}

private struct TreeWalk {
    let form: TarWriter.TreeForm
    /// The first path of each file with several names.
    var links: [Inode: [UInt8]] = [:]

    struct Inode: Hashable {
        var device: UInt64
        var number: UInt64
    }

    init(form: TarWriter.TreeForm) { self.form = form }

    mutating func write(_ directory: Int32, _ path: ArchivePath, to writer: TarWriter) throws {
        for name in try DirectoryTree.names(in: directory) {
            let child = ArchivePath(names: path.names + [name])
            var information = stat()
            let found = fstatat(directory, child.cName, &information, AT_SYMLINK_NOFOLLOW)
            // Gone since it was listed: a tree may change while it is written.
            if found != 0, errno == ENOENT { continue }
            try syscall("stat", on: child.description) { found }
            try write(directory, child, information, to: writer)
        }
    }

    private mutating func write(
        _ directory: Int32, _ path: ArchivePath, _ information: stat, to writer: TarWriter
    ) throws {
        let text = path.bytes
        if form == .layer, Whiteout.isDevice(information) {
            let hidden = path.parent.names + [Whiteout.prefix + path.name]
            try writer.add(ArchiveEntry(path: ArchivePath(names: hidden).bytes, kind: .file, mode: 0o600))
            return
        }
        var entry = ArchiveEntry(
            path: text, kind: .file, mode: information.st_mode & 0o7777, owner: information.st_uid,
            group: information.st_gid, size: 0,
            modified: Timestamp(
                secondsSinceEpoch: Int64(information.st_mtim.tv_sec), nanoseconds: Int64(information.st_mtim.tv_nsec)))
        let kind = information.st_mode & S_IFMT
        if kind != S_IFDIR, information.st_nlink > 1 {
            let inode = Inode(device: UInt64(information.st_dev), number: UInt64(information.st_ino))
            if let first = links[inode] {
                entry.kind = .hardLink(target: first)
                try writer.begin(entry)
                return
            }
            links[inode] = text
        }
        let major = cl_major(UInt64(information.st_rdev))
        let minor = cl_minor(UInt64(information.st_rdev))
        switch kind {
        case S_IFREG: try writeFile(directory, path, &entry, to: writer)
        case S_IFDIR: try writeDirectory(directory, path, &entry, to: writer)
        case S_IFLNK:
            entry.kind = .symbolicLink(target: try Self.linkTarget(directory, path))
            try writer.begin(entry)
        case S_IFCHR:
            entry.kind = .characterDevice(major: major, minor: minor)
            try writer.begin(entry)
        case S_IFBLK:
            entry.kind = .blockDevice(major: major, minor: minor)
            try writer.begin(entry)
        case S_IFIFO:
            entry.kind = .fifo
            try writer.begin(entry)
        default: break
        }
    }

    private func writeFile(
        _ directory: Int32, _ path: ArchivePath, _ entry: inout ArchiveEntry, to writer: TarWriter
    ) throws {
        let file = Descriptor(
            owning: try syscall("open", on: path.description) {
                openat(directory, path.cName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            })
        var information = stat()
        try syscall("fstat", on: path.description) { fstat(file.rawValue, &information) }
        entry.size = Int64(information.st_size)
        entry.attributes = try Self.attributes(file.rawValue)
        try writer.begin(entry)
        try writer.copy(from: file.rawValue, count: entry.size)
    }

    private mutating func writeDirectory(
        _ directory: Int32, _ path: ArchivePath, _ entry: inout ArchiveEntry, to writer: TarWriter
    ) throws {
        let child = Descriptor(
            owning: try syscall("open", on: path.description) {
                openat(directory, path.cName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            })
        entry.kind = .directory
        entry.path.append(UInt8(ascii: "/"))
        entry.attributes = try Self.attributes(child.rawValue)
        try writer.begin(entry)
        if form == .layer, Self.attribute(child.rawValue, Whiteout.opaqueAttribute) == Array("y".utf8) {
            try writer.add(ArchiveEntry(path: entry.path + Whiteout.opaqueName, kind: .file, mode: 0o600))
        }
        try write(child.rawValue, path, to: writer)
    }

    private static func linkTarget(_ directory: Int32, _ path: ArchivePath) throws(SystemError) -> [UInt8] {
        var buffer = [CChar](repeating: 0, count: 4096)
        let length = try syscall("readlink", on: path.description) {
            readlinkat(directory, path.cName, &buffer, buffer.count)
        }
        return buffer.prefix(length).map { UInt8(bitPattern: $0) }
    }

    /// The attributes that images carry.
    private static func attributes(_ descriptor: Int32) throws(SystemError) -> [String: [UInt8]] {
        let size = cl_flistxattr(descriptor, nil, 0)
        guard size > 0 else { return [:] }
        var list = [CChar](repeating: 0, count: size)
        let length = try checked("listxattr", cl_flistxattr(descriptor, &list, list.count))
        var result: [String: [UInt8]] = [:]
        for name in list.prefix(length).split(separator: 0) {
            let name = String(decoding: name.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard name == "security.capability" || name.hasPrefix("user.") else { continue }
            if let value = attribute(descriptor, name) { result[name] = value }
        }
        return result
    }

    private static func attribute(_ descriptor: Int32, _ name: String) -> [UInt8]? {
        let size = cl_fgetxattr(descriptor, name, nil, 0)
        guard size >= 0 else { return nil }
        var value = [UInt8](repeating: 0, count: size)
        let length = cl_fgetxattr(descriptor, name, &value, size)
        return length == size ? value : nil
    }
}
