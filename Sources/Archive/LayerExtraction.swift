import CLinux
import Glibc
import LinuxSystem
import Values

/// What unpacking made.
public struct ExtractionSummary: Hashable, Sendable {
    public var entries = 0
    /// The bytes of all files, each once whatever names it has.
    public var fileBytes: Int64 = 0
}

/// Unpacks an image layer for overlayfs (OCI image-spec: layer).
///
/// Every path is resolved beneath the directory. Refused: absolute paths, `..`, hard links to what is not beneath,
/// symbolic links whose text climbs above the root. Other symbolic links are kept as they are written and lead, while
/// unpacking, nowhere but to the directory's own inside. Ownership, modes, times, devices, FIFOs and the attributes
/// `user.*` and `security.capability` are kept; other attributes are left out, above all those that overlayfs would
/// obey.
public enum LayerExtraction {
    /// Unpacks all of `input` and reads it to its end.
    ///
    /// - Parameter directory: an open, empty directory; stays the caller's.
    public static func extract(
        _ input: DecompressedInput, beneath directory: Int32, limits: ArchiveLimits = ArchiveLimits()
    ) throws(ArchiveError) -> ExtractionSummary {
        let reader = try TarReader(input, limits: limits)
        let extraction = Extraction(reader, directory, limits)
        while let entry = try reader.next() { try extraction.add(entry) }
        try extraction.setDirectoryTimes()
        try reader.finish()
        return extraction.summary
    }
}

private final class Extraction {
    let reader: TarReader
    let tree: DirectoryTree
    let limits: ArchiveLimits
    var summary = ExtractionSummary()
    /// Set last, because making what is in a directory changes its time.
    var directoryTimes: [ArchivePath: Timestamp] = [:]

    init(_ reader: TarReader, _ directory: Int32, _ limits: ArchiveLimits) {
        self.reader = reader
        tree = DirectoryTree(root: directory)
        self.limits = limits
    }

    func add(_ entry: ArchiveEntry) throws(ArchiveError) {
        let path = try ArchivePath(entry.path, limits: limits)
        summary.entries += 1
        try naming(path) {
            if path.isRoot {
                try addRoot(entry, path)
            } else if path.name.starts(with: Whiteout.prefix) {
                try addWhiteout(path)
            } else {
                try add(entry, at: path)
            }
        }
    }

    private func addRoot(_ entry: ArchiveEntry, _ path: ArchivePath) throws {
        guard entry.kind == .directory else {
            throw ArchiveError(.corrupted, "the root is not a directory", path: path.description)
        }
        try finish(tree.root, entry)
        directoryTimes[path] = entry.modified
    }

    private func addWhiteout(_ path: ArchivePath) throws {
        let parent = try tree.parent(of: path)
        if path.name == Whiteout.opaqueName {
            try makeOpaque(parent, ArchivePath.cString(Array(".".utf8)))
            return
        }
        // Left by a union file system that nobody has any more.
        if path.name.starts(with: Whiteout.metadataPrefix) { return }
        let hidden = Array(path.name.dropFirst(Whiteout.prefix.count))
        guard !hidden.isEmpty, !hidden.elementsEqual(".".utf8), !hidden.elementsEqual("..".utf8) else {
            throw ArchiveError(.escape, "a whiteout of no name", path: path.description)
        }
        let name = ArchivePath.cString(hidden)
        guard let existing = tree.status(parent, name) else {
            try checked("mknod", on: path.description, cl_mknodat(parent, name, S_IFCHR, 0, 0))
            return
        }
        // What this layer itself brings stays; of a directory only what lower layers have in it is hidden.
        if existing.st_mode & S_IFMT == S_IFDIR { try makeOpaque(parent, name) }
    }

    private func makeOpaque(_ parent: Int32, _ name: [CChar]) throws(SystemError) {
        let directory = try Self.open(parent, name)
        try Whiteout.makeOpaque(directory.rawValue)
    }

    private static func open(_ parent: Int32, _ name: [CChar]) throws(SystemError) -> Descriptor {
        Descriptor(
            owning: try syscall("open") { openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) })
    }

    private func add(_ entry: ArchiveEntry, at path: ArchivePath) throws {
        if case .symbolicLink(let target) = entry.kind, path.resolving(link: target) == nil {
            throw ArchiveError(
                .escape, "the link to \"\(String(decoding: target, as: UTF8.self))\" leads out of the archive",
                path: path.description)
        }
        var source: LinkSource?
        if case .hardLink(let target) = entry.kind { source = try hardLinkSource(target, path) }
        var parent = try tree.parent(of: path)
        let name = path.cName
        var hidesLower = false
        var isThere = false
        if let existing = tree.status(parent, name) {
            isThere = entry.kind == .directory && existing.st_mode & S_IFMT == S_IFDIR
            if !isThere {
                hidesLower = Whiteout.isDevice(existing)
                try Files.removeTree(name, at: parent)
                tree.forget()
                parent = try tree.parent(of: path)
            }
        }
        switch entry.kind {
        case .file: try addFile(entry, parent, name, path)
        case .directory:
            if !isThere { try syscall("mkdir", on: path.description) { mkdirat(parent, name, 0o700) } }
            let directory = try Self.open(parent, name)
            if hidesLower { try Whiteout.makeOpaque(directory.rawValue) }
            try finish(directory.rawValue, entry)
            directoryTimes[path] = entry.modified
        case .symbolicLink(let target):
            try syscall("symlink", on: path.description) { symlinkat(ArchivePath.cString(target), parent, name) }
            try finish(parent, name, entry)
            tree.forget()
        case .hardLink:
            guard let source else { preconditionFailure("a hard link has a source") }
            try syscall("link", on: path.description) {
                linkat(source.directory.rawValue, source.name, parent, name, 0)
            }
        case .characterDevice(let major, let minor):
            try node(parent, name, S_IFCHR, major, minor, entry, path)
        case .blockDevice(let major, let minor):
            try node(parent, name, S_IFBLK, major, minor, entry, path)
        case .fifo: try node(parent, name, S_IFIFO, 0, 0, entry, path)
        }
    }

    /// What a hard link names.
    private final class LinkSource {
        let directory: Descriptor
        let name: [CChar]

        init(_ directory: consuming Descriptor, _ name: [CChar]) {
            self.directory = directory
            self.name = name
        }
    }

    private func hardLinkSource(_ target: [UInt8], _ path: ArchivePath) throws -> LinkSource {
        let text = String(decoding: target, as: UTF8.self)
        let source: ArchivePath
        do {
            source = try ArchivePath(target, limits: limits)
        } catch {
            throw ArchiveError(
                error.kind, "the hard link to \"\(text)\" leads out of the archive", path: path.description)
        }
        let directory: Descriptor
        do {
            directory = try tree.open(source.parent, Int32(CL_O_PATH) | O_DIRECTORY)
        } catch {
            throw ArchiveError(.corrupted, "the hard link to \"\(text)\" leads nowhere", path: path.description)
        }
        guard !source.isRoot, let existing = tree.status(directory.rawValue, source.cName),
            existing.st_mode & S_IFMT != S_IFDIR, !Whiteout.isDevice(existing)
        else {
            throw ArchiveError(.corrupted, "the hard link to \"\(text)\" leads nowhere", path: path.description)
        }
        guard source != path else {
            throw ArchiveError(.corrupted, "a hard link to itself", path: path.description)
        }
        return LinkSource(directory, source.cName)
    }

    private func addFile(_ entry: ArchiveEntry, _ parent: Int32, _ name: [CChar], _ path: ArchivePath) throws {
        guard entry.size >= 0, entry.size <= limits.bytes - summary.fileBytes else {
            throw ArchiveError(.limit, "more than \(limits.bytes) bytes of files", path: path.description)
        }
        let file = Descriptor(
            owning: try syscall("open", on: path.description) {
                openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            })
        let descriptor = file.rawValue
        var end: Int64 = 0
        try reader.readData { (bytes, offset) throws(ArchiveError) in
            guard offset + Int64(bytes.count) <= entry.size else {
                throw ArchiveError(.corrupted, "more data than its size", path: path.description)
            }
            try naming(path) {
                var written = 0
                while written < bytes.count {
                    written += try syscall("write", on: path.description) {
                        pwrite(descriptor, bytes.baseAddress! + written, bytes.count - written, Int(offset) + written)
                    }
                }
            }
            end = offset + Int64(bytes.count)
        }
        if end < entry.size {
            try syscall("ftruncate", on: path.description) { ftruncate(descriptor, Int(entry.size)) }
        }
        summary.fileBytes += entry.size
        try finish(descriptor, entry)
        var times = Self.times(entry.modified)
        try syscall("futimens", on: path.description) { futimens(descriptor, &times) }
    }

    private func node(
        _ parent: Int32, _ name: [CChar], _ kind: UInt32, _ major: UInt32, _ minor: UInt32, _ entry: ArchiveEntry,
        _ path: ArchivePath
    ) throws {
        try checked("mknod", on: path.description, cl_mknodat(parent, name, kind | 0o600, major, minor))
        try syscall("fchmodat", on: path.description) { fchmodat(parent, name, entry.mode & 0o7777, 0) }
        try finish(parent, name, entry)
    }

    /// Owner, mode and attributes of an open file or directory. The order matters: a change of owner takes set-user-id
    /// and capabilities away.
    private func finish(_ descriptor: Int32, _ entry: ArchiveEntry) throws(SystemError) {
        try syscall("fchown") { fchown(descriptor, entry.owner, entry.group) }
        try syscall("fchmod") { fchmod(descriptor, entry.mode & 0o7777) }
        for (name, value) in entry.attributes where Self.isKept(name) {
            let result = cl_fsetxattr(descriptor, name, value, value.count)
            // A file system may know no user attributes; the file is whole without them.
            if result == -ENOTSUP, name.hasPrefix("user.") { continue }
            try checked("setxattr", on: name, result)
        }
    }

    private func finish(_ parent: Int32, _ name: [CChar], _ entry: ArchiveEntry) throws(SystemError) {
        try syscall("fchownat") { fchownat(parent, name, entry.owner, entry.group, AT_SYMLINK_NOFOLLOW) }
        // Of what can be more than a link, the mode again: the change of owner may have taken bits away.
        if case .symbolicLink = entry.kind {
        } else {
            try syscall("fchmodat") { fchmodat(parent, name, entry.mode & 0o7777, 0) }
        }
        var times = Self.times(entry.modified)
        try syscall("utimensat") { utimensat(parent, name, &times, AT_SYMLINK_NOFOLLOW) }
    }

    private static func isKept(_ attribute: String) -> Bool {
        attribute == "security.capability" || attribute.hasPrefix("user.") && !attribute.hasPrefix("user.overlay.")
    }

    private static func times(_ moment: Timestamp) -> [timespec] {
        let seconds = moment.secondsSinceEpoch
        let nanoseconds = moment.nanosecondsSinceEpoch &- seconds &* 1_000_000_000
        let time = timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds))
        return [time, time]
    }

    func setDirectoryTimes() throws(ArchiveError) {
        tree.forget()
        for (path, modified) in directoryTimes {
            var times = Self.times(modified)
            try naming(path) {
                if path.isRoot {
                    try syscall("futimens") { futimens(tree.root, &times) }
                    return
                }
                let parent = try tree.parent(of: path)
                // Replaced by something else since: its own time was set then.
                guard let existing = tree.status(parent, path.cName), existing.st_mode & S_IFMT == S_IFDIR else {
                    return
                }
                try syscall("utimensat") { utimensat(parent, path.cName, &times, AT_SYMLINK_NOFOLLOW) }
            }
        }
    }
}
