import Glibc
import LinuxSystem

/// A database's file as it would lie there if it were not sealed: for copies that leave the host. Nobody writes it.
public struct DatabaseFile: ~Copyable {
    private let path: String
    private let descriptor: Descriptor
    /// Nil where the file is not sealed.
    private let pages: SealedPages?
    public let byteCount: UInt64

    /// - Parameter disk: which may have sealed it; nil where nothing is sealed.
    public init(path: String, on disk: SealedDisk?) throws(SystemError) {
        let file = try Descriptor.open(path, O_RDONLY)
        let number = file.rawValue
        let count = try syscall("lseek", on: path) { lseek(number, 0, SEEK_END) }
        var pages: SealedPages?
        if let disk, count >= SealedPages.pageByteCount {
            let first = try Self.read(number, path, at: 0, SealedPages.pageByteCount)
            let age = first.withUnsafeBytes { disk.pages.seal.age(ofTrailer: disk.pages.trailer(of: $0)) }
            if age != .unknown { pages = disk.pages }
        }
        self.path = path
        self.pages = pages
        byteCount = UInt64(count)
        descriptor = file
    }

    /// Reads as many bytes as there are, at most `count`.
    ///
    /// - Throws: EIO where a page is not what was written.
    public func read(at offset: UInt64, upTo count: Int) throws(SystemError) -> [UInt8] {
        let end = min(byteCount, offset + UInt64(count))
        guard offset < end else { return [] }
        guard let pages else {
            return try Self.read(descriptor.rawValue, path, at: offset, Int(end - offset))
        }
        let size = UInt64(SealedPages.pageByteCount)
        let start = offset / size * size
        var bytes = try Self.read(descriptor.rawValue, path, at: start, Int((end + size - 1) / size * size - start))
        let isWhole = bytes.withUnsafeMutableBytes { bytes in
            stride(from: 0, to: bytes.count - bytes.count % Int(size), by: Int(size)).allSatisfy { place in
                let page = UnsafeMutableRawBufferPointer(rebasing: bytes[place..<place + Int(size)])
                return pages.openDatabasePage(page, number: (start + UInt64(place)) / size + 1)
            }
        }
        guard isWhole else { throw SystemError("open a sealed page", path, errno: EIO) }
        bytes.removeLast(bytes.count - Int(end - start))
        bytes.removeFirst(Int(offset - start))
        return bytes
    }

    private static func read(
        _ descriptor: Int32, _ path: String, at offset: UInt64, _ count: Int
    ) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let received = try syscall("pread", on: path) {
                bytes.withUnsafeMutableBytes {
                    pread(descriptor, $0.baseAddress! + done, count - done, off_t(offset) + off_t(done))
                }
            }
            if received == 0 { break }
            done += received
        }
        bytes.removeLast(count - done)
        return bytes
    }
}

/// Writes a database that arrives from elsewhere, from its beginning to its end. It is sealed on the way where its
/// pages have room for that; one of an earlier version has not, and neither has what is no database.
public struct ArrivingDatabaseFile: ~Copyable {
    private let path: String
    private let descriptor: Descriptor
    private let pages: SealedPages?
    private var isSealed: Bool?
    /// What waits for the rest of its page.
    private var pending: [UInt8] = []
    private var pageCount: UInt64 = 0

    /// Makes the file, or empties it.
    ///
    /// - Parameter disk: which seals it; nil where nothing is sealed.
    public init(path: String, on disk: SealedDisk?) throws(SystemError) {
        self.path = path
        descriptor = try Descriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        pages = disk?.pages
        if pages == nil { isSealed = false }
    }

    /// - Throws: EINVAL for a page whose room for the seal is not free.
    public mutating func add(_ bytes: [UInt8]) throws(SystemError) {
        if isSealed == false { return try Bytes.writeAll(descriptor.rawValue, bytes) }
        pending += bytes
        let size = SealedPages.pageByteCount
        guard pending.count >= size, let pages else { return }
        if isSealed == nil { isSealed = pending.withUnsafeBytes { pages.hasRoom(.init(rebasing: $0[..<size])) } }
        if isSealed == false {
            defer { pending = [] }
            return try Bytes.writeAll(descriptor.rawValue, pending)
        }
        let whole = pending.count - pending.count % size
        var number = pageCount
        let isFree = pending.withUnsafeMutableBytes { bytes in
            stride(from: 0, to: whole, by: size).allSatisfy { place in
                let page = UnsafeMutableRawBufferPointer(rebasing: bytes[place..<place + size])
                guard pages.isFree(UnsafeRawBufferPointer(page)) else { return false }
                number += 1
                pages.seal.seal(page, at: .database(page: number))
                return true
            }
        }
        guard isFree else { throw SystemError("seal", path, errno: EINVAL) }
        pageCount = number
        try Bytes.writeAll(descriptor.rawValue, Array(pending[..<whole]))
        pending.removeFirst(whole)
    }

    /// Writes what is left and makes the file durable, but for its name.
    public mutating func finish() throws(SystemError) {
        if !pending.isEmpty { try Bytes.writeAll(descriptor.rawValue, pending) }
        pending = []
        let number = descriptor.rawValue
        try syscall("fsync", on: path) { fsync(number) }
    }
}
