/// How sealed databases and their journals lie in their files: as long as open ones, page by page.
struct SealedPages: Sendable {
    /// Bytes of a page. SQLite's default; databases on a sealed disk have no other.
    static let pageByteCount = 4_096
    /// https://www.sqlite.org/walformat.html, section 1.1 and 1.2.
    static let logHeadByteCount = 32
    static let frameHeadByteCount = 24
    static let frameByteCount = frameHeadByteCount + pageByteCount
    /// In a frame's head: the salts and the running checksum, which says something of the page.
    static let frameBlock = 8..<24
    /// https://www.sqlite.org/fileformat.html, section 1.3.
    static let magic = Array("SQLite format 3\0".utf8)
    static let headByteCount = 100
    private static let pageSizePlace = 16
    private static let reservedPlace = 20

    let seal: any PageSealing

    private var bodyByteCount: Int { Self.pageByteCount - seal.trailerByteCount }

    /// Whether the bytes at a file's beginning are those of a database that is not sealed.
    static func isOpenDatabase(_ beginning: UnsafeRawBufferPointer) -> Bool {
        beginning.count >= magic.count && magic.indices.allSatisfy { beginning[$0] == magic[$0] }
    }

    /// Whether a first page is that of an open database whose pages have room for a seal.
    func hasRoom(_ page: UnsafeRawBufferPointer) -> Bool {
        Self.isOpenDatabase(page) && page[Self.pageSizePlace] == UInt8(Self.pageByteCount >> 8)
            && page[Self.pageSizePlace + 1] == 0 && Int(page[Self.reservedPlace]) == seal.trailerByteCount
    }

    /// What is known before the first page is: its size and the room in it. SQLite asks for a database's head when it
    /// opens it, also where only the write-ahead log has that page whole.
    func writeHead(into buffer: UnsafeMutableRawBufferPointer) {
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        if buffer.count > Self.pageSizePlace { buffer[Self.pageSizePlace] = UInt8(Self.pageByteCount >> 8) }
        if buffer.count > Self.reservedPlace { buffer[Self.reservedPlace] = UInt8(seal.trailerByteCount) }
    }

    /// Whether SQLite has left a page's trailer free: what stood there would be lost.
    func isFree(_ page: UnsafeRawBufferPointer) -> Bool { page[bodyByteCount...].allSatisfy { $0 == 0 } }

    func trailer(of page: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: page[bodyByteCount...])
    }

    /// Opens a page of a database. One that was never written, as SQLite leaves them out, is of zeros.
    func openDatabasePage(_ page: UnsafeMutableRawBufferPointer, number: UInt64) -> Bool {
        if isFree(UnsafeRawBufferPointer(page)), page.allSatisfy({ $0 == 0 }) { return true }
        return seal.open(page, at: .database(page: number))
    }

    /// Opens a whole frame. One that does not hold what was written becomes zeros: no frame, for SQLite, so that the
    /// log ends before it, as it does before any frame that a loss of power has torn.
    func openFrame(_ frame: UnsafeMutableRawBufferPointer, number: UInt64) {
        let page = UnsafeMutableRawBufferPointer(rebasing: frame[Self.frameHeadByteCount...])
        guard openFrameHead(frame), seal.open(page, at: .log(frame: number)) else {
            frame.initializeMemory(as: UInt8.self, repeating: 0)
            return
        }
    }

    /// Opens the head of a frame, whose page may be anything.
    func openFrameHead(_ frame: UnsafeMutableRawBufferPointer) -> Bool {
        let page = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(frame)[Self.frameHeadByteCount...])
        return seal.openBlock(
            UnsafeMutableRawBufferPointer(rebasing: frame[Self.frameBlock]), trailer: trailer(of: page))
    }
}
