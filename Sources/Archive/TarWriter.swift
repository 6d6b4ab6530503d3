import CArchive
import CLinux
import Glibc
import LinuxSystem
import Values

/// Writes a tar archive (POSIX pax, plain ustar where that is enough). For one thread.
public final class TarWriter {
    private let archive: OpaquePointer
    private let header: OpaquePointer

    /// - Parameters:
    ///   - descriptor: stays the caller's.
    ///   - compression: none, gzip or zstd.
    public init(_ descriptor: Int32, compression: ArchiveCompression? = nil) throws(ArchiveError) {
        guard let archive = archive_write_new(), let header = archive_entry_new() else {
            throw ArchiveError(.system, "out of memory")
        }
        self.archive = archive
        self.header = header
        archive_write_set_format_pax_restricted(archive)
        switch compression {
        case .gzip: archive_write_add_filter_gzip(archive)
        case .zstd: archive_write_add_filter_zstd(archive)
        case .bzip2: archive_write_add_filter_bzip2(archive)
        case .xz: archive_write_add_filter_xz(archive)
        case nil: break
        }
        try check(archive_write_open_fd(archive, descriptor), nil)
    }

    deinit {
        archive_entry_free(header)
        archive_write_free(archive)
    }

    private func check(_ result: Int32, _ path: String?) throws(ArchiveError) {
        guard result < ARCHIVE_WARN else { return }
        let reason = archive_error_string(archive).map { String(cString: $0) } ?? "unwritable"
        throw ArchiveError(.system, reason, path: path)
    }

    /// Begins an entry; a file's `size` bytes follow through `write`.
    public func begin(_ entry: ArchiveEntry) throws(ArchiveError) {
        let locale = cl_use_utf8()
        defer { cl_restore_locale(locale) }
        archive_entry_clear(header)
        archive_entry_set_pathname(header, ArchivePath.cString(entry.path))
        archive_entry_set_size(header, entry.kind == .file ? entry.size : 0)
        let type: UInt32
        switch entry.kind {
        case .file: type = S_IFREG
        case .directory: type = S_IFDIR
        case .symbolicLink(let target):
            type = S_IFLNK
            archive_entry_set_symlink(header, ArchivePath.cString(target))
        case .hardLink(let target):
            type = S_IFREG
            archive_entry_set_hardlink(header, ArchivePath.cString(target))
        case .characterDevice(let major, let minor):
            type = S_IFCHR
            setDevice(major, minor)
        case .blockDevice(let major, let minor):
            type = S_IFBLK
            setDevice(major, minor)
        case .fifo: type = S_IFIFO
        }
        archive_entry_set_filetype(header, type)
        archive_entry_set_perm(header, mode_t(entry.mode & 0o7777))
        archive_entry_set_uid(header, Int64(entry.owner))
        archive_entry_set_gid(header, Int64(entry.group))
        let seconds = entry.modified.secondsSinceEpoch
        archive_entry_set_mtime(
            header, Int(seconds), Int(entry.modified.nanosecondsSinceEpoch &- seconds &* 1_000_000_000))
        for (name, value) in entry.attributes.sorted(by: { $0.key < $1.key }) {
            archive_entry_xattr_add_entry(header, name, value, value.count)
        }
        try check(archive_write_header(archive, header), String(decoding: entry.path, as: UTF8.self))
    }

    private func setDevice(_ major: UInt32, _ minor: UInt32) {
        archive_entry_set_rdevmajor(header, dev_t(major))
        archive_entry_set_rdevminor(header, dev_t(minor))
    }

    /// Writes some of the data of the entry that was begun.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(ArchiveError) {
        var written = 0
        while written < bytes.count {
            let count = archive_write_data(archive, bytes.baseAddress! + written, bytes.count - written)
            guard count > 0 else {
                try check(count < 0 ? Int32(count) : ARCHIVE_FATAL, nil)
                return
            }
            written += count
        }
    }

    public func write(_ bytes: [UInt8]) throws(ArchiveError) {
        try naming(nil) { try bytes.withUnsafeBytes { try write($0) } }
    }

    /// A whole file.
    public func file(_ path: String, _ bytes: [UInt8], mode: UInt32 = 0o644) throws(ArchiveError) {
        try add(ArchiveEntry(path, mode: mode, size: Int64(bytes.count)), bytes)
    }

    /// An entry with all its data.
    public func add(_ entry: ArchiveEntry, _ bytes: [UInt8] = []) throws(ArchiveError) {
        var entry = entry
        if entry.kind == .file { entry.size = Int64(bytes.count) }
        try begin(entry)
        try write(bytes)
    }

    /// The data of the entry that was begun: `count` bytes read from a descriptor.
    public func copy(from descriptor: Int32, count: Int64) throws(ArchiveError) {
        var left = count
        while left > 0 {
            let bytes: [UInt8]
            do {
                bytes = try Bytes.read(descriptor, upTo: Int(min(left, 256 << 10)))
            } catch {
                throw ArchiveError(.system, error.description)
            }
            guard !bytes.isEmpty else { throw ArchiveError(.corrupted, "a file became shorter while it was read") }
            try write(bytes)
            left -= Int64(bytes.count)
        }
    }

    /// Ends the archive.
    public func finish() throws(ArchiveError) { try check(archive_write_close(archive), nil) }
}
