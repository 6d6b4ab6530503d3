import CArchive
import CLinux
import Glibc
import LinuxSystem

/// How a stream may be compressed; which it is, its first bytes tell.
public enum ArchiveCompression: Sendable, CaseIterable {
    case gzip, zstd, bzip2, xz
}

/// The bytes of a descriptor, decompressed on the way. For one thread.
public final class DecompressedInput {
    /// How many compressed bytes are read at once.
    private static let blockBytes = 256 << 10

    private let archive: OpaquePointer
    private let limits: ArchiveLimits
    private let tap: (UnsafeRawBufferPointer) -> Void
    /// Closed at the end; -1 where the descriptor is the caller's.
    private let owned: Int32
    private var isAtEnd = false
    /// How many bytes have come out.
    public private(set) var byteCount: Int64 = 0

    /// - Parameters:
    ///   - descriptor: is read from where it stands and stays the caller's.
    ///   - compressions: which are taken beside none.
    ///   - tap: sees all decompressed bytes, in order and once.
    public convenience init(
        _ descriptor: Int32, compressions: [ArchiveCompression] = [.gzip, .zstd],
        limits: ArchiveLimits = ArchiveLimits(),
        tap: @escaping (UnsafeRawBufferPointer) -> Void = { _ in }
    ) throws(ArchiveError) {
        try self.init(descriptor, owned: -1, compressions, limits, tap)
    }

    /// The same with a descriptor that is closed in the end.
    public convenience init(
        owning descriptor: consuming Descriptor, compressions: [ArchiveCompression] = [.gzip, .zstd],
        limits: ArchiveLimits = ArchiveLimits(), tap: @escaping (UnsafeRawBufferPointer) -> Void = { _ in }
    ) throws(ArchiveError) {
        let owned = descriptor.release()
        try self.init(owned, owned: owned, compressions, limits, tap)
    }

    private init(
        _ descriptor: Int32, owned: Int32, _ compressions: [ArchiveCompression], _ limits: ArchiveLimits,
        _ tap: @escaping (UnsafeRawBufferPointer) -> Void
    ) throws(ArchiveError) {
        guard let archive = archive_read_new() else {
            if owned >= 0 { close(owned) }
            throw ArchiveError(.system, "out of memory")
        }
        self.owned = owned
        self.archive = archive
        self.limits = limits
        self.tap = tap
        for compression in compressions {
            switch compression {
            case .gzip: archive_read_support_filter_gzip(archive)
            case .zstd: archive_read_support_filter_zstd(archive)
            case .bzip2: archive_read_support_filter_bzip2(archive)
            case .xz: archive_read_support_filter_xz(archive)
            }
        }
        archive_read_support_format_raw(archive)
        archive_read_support_format_empty(archive)
        guard archive_read_open_fd(archive, descriptor, Self.blockBytes) == ARCHIVE_OK else { throw failure() }
        var entry: OpaquePointer?
        switch archive_read_next_header(archive, &entry) {
        case ARCHIVE_OK, ARCHIVE_WARN: break
        case ARCHIVE_EOF: isAtEnd = true
        default: throw failure()
        }
    }

    deinit {
        archive_read_free(archive)
        if owned >= 0 { close(owned) }
    }

    private func failure() -> ArchiveError {
        let reason = archive_error_string(archive).map { String(cString: $0) } ?? "unreadable"
        return ArchiveError(.corrupted, reason)
    }

    /// The next bytes, valid until the next call; none at the end.
    public func read() throws(ArchiveError) -> UnsafeRawBufferPointer {
        while !isAtEnd {
            var start: UnsafeRawPointer?
            var count = 0
            var offset: Int64 = 0
            switch archive_read_data_block(archive, &start, &count, &offset) {
            case ARCHIVE_OK, ARCHIVE_WARN: break
            case ARCHIVE_EOF:
                isAtEnd = true
                continue
            default: throw failure()
            }
            guard count > 0 else { continue }
            byteCount += Int64(count)
            guard byteCount <= limits.bytes else {
                throw ArchiveError(.limit, "more than \(limits.bytes) uncompressed bytes")
            }
            let bytes = UnsafeRawBufferPointer(start: start, count: count)
            tap(bytes)
            return bytes
        }
        return UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// Reads the rest, so that `tap` has seen the whole.
    public func drain() throws(ArchiveError) { while try !read().isEmpty {} }
}
