import CArchive
import CLinux
import Glibc
import Values

/// Reads the entries of a tar archive one after the other (POSIX ustar and pax, GNU tar). For one thread.
public final class TarReader {
    private let archive: OpaquePointer
    private let source: Source
    private let limits: ArchiveLimits
    private var entries = 0

    /// Hands decompressed bytes to libarchive and keeps why they ended.
    private final class Source {
        let input: DecompressedInput
        var failure: ArchiveError?

        init(_ input: DecompressedInput) { self.input = input }
    }

    public init(_ input: DecompressedInput, limits: ArchiveLimits = ArchiveLimits()) throws(ArchiveError) {
        guard let archive = archive_read_new() else { throw ArchiveError(.system, "out of memory") }
        self.archive = archive
        self.limits = limits
        source = Source(input)
        archive_read_support_format_tar(archive)
        archive_read_support_format_empty(archive)
        let opened = archive_read_open(
            archive, Unmanaged.passUnretained(source).toOpaque(), nil,
            { _, context, buffer in
                let source = Unmanaged<Source>.fromOpaque(context!).takeUnretainedValue()
                do throws(ArchiveError) {
                    let bytes = try source.input.read()
                    buffer!.pointee = bytes.baseAddress
                    return bytes.count
                } catch {
                    source.failure = error
                    return -1
                }
            }, nil)
        guard opened == ARCHIVE_OK else { throw failure() }
    }

    deinit { archive_read_free(archive) }

    private func failure(_ path: String? = nil) -> ArchiveError {
        if let failure = source.failure { return failure }
        let reason = archive_error_string(archive).map { String(cString: $0) } ?? "unreadable"
        return ArchiveError(.corrupted, reason, path: path)
    }

    /// The next entry; nil at the end.
    public func next() throws(ArchiveError) -> ArchiveEntry? {
        let locale = cl_use_utf8()
        defer { cl_restore_locale(locale) }
        var header: OpaquePointer?
        switch archive_read_next_header(archive, &header) {
        case ARCHIVE_OK, ARCHIVE_WARN: break
        case ARCHIVE_EOF: return nil
        default: throw failure()
        }
        entries += 1
        guard entries <= limits.entries else { throw ArchiveError(.limit, "more than \(limits.entries) entries") }
        guard let header, let name = archive_entry_pathname(header) else {
            throw ArchiveError(.corrupted, "an entry without a readable name")
        }
        return try Self.entry(header, path: Self.bytes(name))
    }

    private static func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }

    private static func entry(_ header: OpaquePointer, path: [UInt8]) throws(ArchiveError) -> ArchiveEntry {
        let kind: ArchiveEntry.Kind
        if let target = archive_entry_hardlink(header) {
            kind = .hardLink(target: bytes(target))
        } else {
            let major = UInt32(truncatingIfNeeded: archive_entry_rdevmajor(header))
            let minor = UInt32(truncatingIfNeeded: archive_entry_rdevminor(header))
            switch archive_entry_filetype(header) {
            case S_IFREG: kind = .file
            case S_IFDIR: kind = .directory
            case S_IFCHR: kind = .characterDevice(major: major, minor: minor)
            case S_IFBLK: kind = .blockDevice(major: major, minor: minor)
            case S_IFIFO: kind = .fifo
            case S_IFLNK:
                guard let target = archive_entry_symlink(header) else { fallthrough }
                kind = .symbolicLink(target: bytes(target))
            default:
                throw ArchiveError(
                    .corrupted, "an entry of an unknown kind", path: String(decoding: path, as: UTF8.self))
            }
        }
        var attributes: [String: [UInt8]] = [:]
        archive_entry_xattr_reset(header)
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var size = 0
        while archive_entry_xattr_next(header, &name, &value, &size) == ARCHIVE_OK {
            guard let name else { continue }
            attributes[String(cString: name)] = Array(UnsafeRawBufferPointer(start: value, count: size))
        }
        guard let owner = UInt32(exactly: archive_entry_uid(header)),
            let group = UInt32(exactly: archive_entry_gid(header))
        else {
            throw ArchiveError(
                .corrupted, "an owner beyond 32 bits", path: String(decoding: path, as: UTF8.self))
        }
        return ArchiveEntry(
            path: path, kind: kind, mode: UInt32(archive_entry_perm(header)), owner: owner, group: group,
            size: kind == .file ? archive_entry_size(header) : 0,
            modified: Timestamp(
                secondsSinceEpoch: Int64(archive_entry_mtime(header)),
                nanoseconds: Int64(archive_entry_mtime_nsec(header))),
            attributes: attributes)
    }

    /// Hands the entry's data to `body` in pieces with their offsets; holes of sparse files are left out.
    public func readData(
        _ body: (UnsafeRawBufferPointer, _ offset: Int64) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        while true {
            var start: UnsafeRawPointer?
            var count = 0
            var offset: Int64 = 0
            switch archive_read_data_block(archive, &start, &count, &offset) {
            case ARCHIVE_OK, ARCHIVE_WARN:
                if count > 0 { try body(UnsafeRawBufferPointer(start: start, count: count), offset) }
            case ARCHIVE_EOF: return
            default: throw failure()
            }
        }
    }

    /// Reads what follows the last entry, so that the input's tap has seen the whole.
    public func finish() throws(ArchiveError) { try source.input.drain() }
}
