import Archive
import CLinux
import Glibc
import LinuxSystem
import TestSupport
import Values

/// A directory with an archive and the place that it is unpacked to, and nothing else.
struct Fixture {
    let directory: TemporaryDirectory
    var archive: String { directory.path("archive.tar") }
    var root: String { directory.path("root") }

    init() throws {
        directory = try TemporaryDirectory("archive")
        try Files.makeDirectories(root)
    }

    func path(_ name: String) -> String { root + "/" + name }

    /// Writes an archive of entries and their data.
    func write(_ entries: [(ArchiveEntry, String)], compression: ArchiveCompression? = nil) throws {
        let file = try Descriptor.open(archive, O_WRONLY | O_CREAT | O_TRUNC)
        let writer = try TarWriter(file.rawValue, compression: compression)
        for (entry, data) in entries { try writer.add(entry, Array(data.utf8)) }
        try writer.finish()
    }

    @discardableResult
    func extract(limits: ArchiveLimits = ArchiveLimits()) throws -> ExtractionSummary {
        let file = try Descriptor.open(archive, O_RDONLY)
        let target = try Descriptor.open(root, O_RDONLY | O_DIRECTORY)
        return try LayerExtraction.extract(
            DecompressedInput(file.rawValue, limits: limits), beneath: target.rawValue, limits: limits)
    }

    @discardableResult
    func unpack(_ entries: [(ArchiveEntry, String)]) throws -> ExtractionSummary {
        try write(entries)
        return try extract()
    }

    func status(_ name: String) -> stat? {
        var information = stat()
        return lstat(path(name), &information) == 0 ? information : nil
    }

    func text(_ name: String) throws -> String { try Files.text(path(name)) }

    func attribute(_ name: String, _ attribute: String) throws -> String? {
        let file = try Descriptor.open(path(name), O_RDONLY)
        var buffer = [UInt8](repeating: 0, count: 256)
        let length = cl_fgetxattr(file.rawValue, attribute, &buffer, buffer.count)
        return length < 0 ? nil : String(decoding: buffer.prefix(length), as: UTF8.self)
    }

    func isWhiteout(_ name: String) -> Bool {
        status(name).map { $0.st_mode & S_IFMT == S_IFCHR && $0.st_rdev == 0 } ?? false
    }
}

func file(_ path: String, _ data: String = "", mode: UInt32 = 0o644) -> (ArchiveEntry, String) {
    (ArchiveEntry(path, mode: mode), data)
}

func directory(_ path: String, mode: UInt32 = 0o755) -> (ArchiveEntry, String) {
    (ArchiveEntry(path, .directory, mode: mode), "")
}

func link(_ path: String, to target: String) -> (ArchiveEntry, String) {
    (ArchiveEntry(path, .symbolicLink(target: Array(target.utf8)), mode: 0o777), "")
}

func hardLink(_ path: String, to target: String) -> (ArchiveEntry, String) {
    (ArchiveEntry(path, .hardLink(target: Array(target.utf8))), "")
}
