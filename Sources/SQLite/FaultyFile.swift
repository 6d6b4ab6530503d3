import CSQLite

/// A file of the host's with faults, as one connection has it open.
final class FaultyFile: HostedFile {
    let real: HostFile
    private let path: String
    /// Nil where nothing is kept back.
    private let held: HeldWrites?
    private let disk: FaultyDisk

    init(_ real: HostFile, path: String, held: HeldWrites?, disk: FaultyDisk) {
        self.real = real
        self.path = path
        self.held = held
        self.disk = disk
    }

    func close() {
        if let held {
            if real.isWritable { try? held.write(to: real) }
            disk.release(held, of: path)
        }
        real.close()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileRefusal) -> Int {
        if disk.fails(.read, on: path) { throw FileRefusal(FileCode.read) }
        let count = max(0, min(buffer.count, try byteCount() - offset))
        guard count > 0 else { return 0 }
        let wanted = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        if let held {
            try held.read(into: wanted, at: offset, of: real)
        } else {
            try real.read(into: wanted, at: offset)
        }
        return count
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileRefusal) {
        if disk.fails(.write, on: path) { throw FileRefusal(FileCode.write) }
        if disk.fails(.full, on: path) { throw FileRefusal(SQLITE_FULL) }
        guard let held else { return try real.write(bytes, at: offset) }
        try held.add(bytes, at: offset, of: real)
        if disk.isEarly() { try real.write(bytes, at: offset) }
        if held.byteCount > FaultyDisk.heldByteLimit { try held.write(to: real) }
    }

    func truncate(to byteCount: Int) throws(FileRefusal) {
        if disk.fails(.write, on: path) { throw FileRefusal(FileCode.truncate) }
        try held?.write(to: real)
        try real.truncate(to: byteCount)
    }

    func synchronize(_ flags: Int32) throws(FileRefusal) {
        if disk.fails(.sync, on: path) { throw FileRefusal(FileCode.sync) }
        try held?.write(to: real)
        try real.synchronize(flags)
    }

    func byteCount() throws(FileRefusal) -> Int { max(try real.byteCount(), held?.end ?? 0) }
}
