import CSQLite
import Glibc

/// A file of a sealed disk, as one connection has it open. Used by that connection alone.
///
/// What SQLite reads and writes at once is known: pages of databases; heads, pages and whole frames of write-ahead
/// logs; heads and pages of rollback journals. Whatever else it might write is refused, so that no page lies open.
final class SealedFile: HostedFile {
    enum Part {
        case database, log, journal
    }

    let real: HostFile
    private let part: Part
    private let pages: SealedPages
    /// A database of an earlier version, which is only read.
    private let isOpenDatabase: Bool
    /// Room for one frame.
    private let scratch: UnsafeMutableRawBufferPointer

    init(_ real: HostFile, _ part: Part, _ pages: SealedPages) throws(FileRefusal) {
        self.real = real
        self.part = part
        self.pages = pages
        scratch = .allocate(byteCount: SealedPages.frameByteCount, alignment: 16)
        scratch.initializeMemory(as: UInt8.self, repeating: 0)
        guard part == .database else {
            isOpenDatabase = false
            return
        }
        let beginning = UnsafeMutableRawBufferPointer(rebasing: scratch[..<SealedPages.magic.count])
        try real.read(into: beginning, at: 0)
        isOpenDatabase = SealedPages.isOpenDatabase(UnsafeRawBufferPointer(beginning))
    }

    deinit { scratch.deallocate() }

    var isDatabaseOfEarlierVersion: Bool { isOpenDatabase }

    private var page: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: scratch[..<SealedPages.pageByteCount])
    }

    func close() { real.close() }

    // Reading.

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileRefusal) -> Int {
        switch part {
        case .database where !isOpenDatabase: return try readDatabase(into: buffer, at: offset)
        case .log where offset >= SealedPages.logHeadByteCount: return try readLog(into: buffer, at: offset)
        case .journal where isRecord(buffer.count, at: offset): return try readRecord(into: buffer, at: offset)
        case .database, .log, .journal: return try readAsItIs(into: buffer, at: offset)
        }
    }

    private func readAsItIs(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileRefusal) -> Int {
        if try real.read(into: buffer, at: offset) { return buffer.count }
        return max(0, min(buffer.count, try real.byteCount() - offset))
    }

    private func readDatabase(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileRefusal) -> Int {
        if offset == 0, buffer.count <= SealedPages.headByteCount {
            guard try real.byteCount() > 0 else { return 0 }
            pages.writeHead(into: buffer)
            return buffer.count
        }
        return try readUnits(SealedPages.pageByteCount, into: buffer, at: offset) { number throws(FileRefusal) in
            guard pages.openDatabasePage(page, number: UInt64(number) + 1) else { throw FileRefusal(FileCode.data) }
            return page
        }
    }

    private func readLog(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileRefusal) -> Int {
        let inLog = offset - SealedPages.logHeadByteCount
        let inFrame = inLog % SealedPages.frameByteCount
        let readsHead = inFrame < SealedPages.frameHeadByteCount
        let readsPage = inFrame + buffer.count > SealedPages.frameHeadByteCount
        return try readUnits(SealedPages.frameByteCount, into: buffer, at: inLog) { number throws(FileRefusal) in
            if readsHead, readsPage {
                pages.openFrame(scratch, number: UInt64(number))
            } else if readsHead {
                if !pages.openFrameHead(scratch) { scratch.initializeMemory(as: UInt8.self, repeating: 0) }
            } else {
                let page = UnsafeMutableRawBufferPointer(rebasing: scratch[SealedPages.frameHeadByteCount...])
                guard pages.seal.open(page, at: .log(frame: UInt64(number))) else {
                    throw FileRefusal(FileCode.data)
                }
            }
            return scratch
        }
    }

    /// Reads whole pages or frames, has them opened, and copies what is wanted of them.
    private func readUnits(
        _ size: Int, into buffer: UnsafeMutableRawBufferPointer, at offset: Int,
        open: (Int) throws(FileRefusal) -> UnsafeMutableRawBufferPointer
    ) throws(FileRefusal) -> Int {
        let base = size == SealedPages.frameByteCount ? SealedPages.logHeadByteCount : 0
        var done = 0
        while done < buffer.count {
            let number = (offset + done) / size
            let raw = UnsafeMutableRawBufferPointer(rebasing: scratch[..<size])
            guard try real.read(into: raw, at: base + number * size) else { return done }
            let unit = try open(number)
            let start = offset + done - number * size
            let count = min(size - start, buffer.count - done)
            UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + count])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: unit[start..<start + count]))
            done += count
        }
        return done
    }

    /// A page that does not hold what was written ends a journal, as one that a loss of power has cut off.
    private func readRecord(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileRefusal) -> Int {
        guard try real.read(into: page, at: offset), pages.seal.open(page, at: .journal(offset: UInt64(offset)))
        else { return 0 }
        buffer.copyMemory(from: UnsafeRawBufferPointer(page))
        return buffer.count
    }

    /// Pages stand behind their numbers of four bytes, before sums of four bytes; heads begin at a sector
    /// (https://www.sqlite.org/fileformat.html, section 3).
    private func isRecord(_ count: Int, at offset: Int) -> Bool {
        count == SealedPages.pageByteCount && offset % 8 == 4
    }

    // Writing.

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileRefusal) {
        let isPage = bytes.count == SealedPages.pageByteCount
        switch part {
        case .database:
            guard isPage, offset % SealedPages.pageByteCount == 0, !isOpenDatabase else { throw Self.refusal }
            try writePage(bytes, at: offset, .database(page: UInt64(offset / SealedPages.pageByteCount) + 1))
        case .log:
            let inLog = offset - SealedPages.logHeadByteCount
            guard inLog >= 0 else {
                guard offset + bytes.count <= SealedPages.logHeadByteCount else { throw Self.refusal }
                return try real.write(bytes, at: offset)
            }
            let inFrame = inLog % SealedPages.frameByteCount
            if isPage, inFrame == SealedPages.frameHeadByteCount {
                try writePage(bytes, at: offset, .log(frame: UInt64(inLog / SealedPages.frameByteCount)))
            } else if inFrame == 0, bytes.count == SealedPages.frameHeadByteCount {
                let head = UnsafeMutableRawBufferPointer(rebasing: scratch[..<bytes.count])
                head.copyMemory(from: bytes)
                pages.seal.sealBlock(UnsafeMutableRawBufferPointer(rebasing: head[SealedPages.frameBlock]))
                try real.write(UnsafeRawBufferPointer(head), at: offset)
            } else {
                throw Self.refusal
            }
        case .journal:
            guard isRecord(bytes.count, at: offset) else { return try real.write(bytes, at: offset) }
            try writePage(bytes, at: offset, .journal(offset: UInt64(offset)))
        }
    }

    private func writePage(_ bytes: UnsafeRawBufferPointer, at offset: Int, _ place: PagePlace) throws(FileRefusal) {
        guard pages.isFree(bytes) else { throw Self.refusal }
        page.copyMemory(from: bytes)
        pages.seal.seal(page, at: place)
        try real.write(UnsafeRawBufferPointer(page), at: offset)
    }

    /// Nothing that SQLite would write to a database that was made on a sealed disk.
    private static let refusal = FileRefusal(FileCode.write, EINVAL)

    func truncate(to byteCount: Int) throws(FileRefusal) { try real.truncate(to: byteCount) }

    func synchronize(_ flags: Int32) throws(FileRefusal) { try real.synchronize(flags) }

    func byteCount() throws(FileRefusal) -> Int { try real.byteCount() }
}
