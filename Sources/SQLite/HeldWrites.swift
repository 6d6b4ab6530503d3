import Synchronization

/// What all connections of this process have written to a file since its last sync, in blocks.
final class HeldWrites: Sendable {
    private static let blockByteCount = 4_096

    private struct State: Sendable {
        var blocks: [Int: [UInt8]] = [:]
        /// Where the file ends with them.
        var end = 0
    }

    private let state = Mutex(State())

    var isEmpty: Bool { state.withLock { $0.blocks.isEmpty } }

    /// Where the file ends with what is kept back; 0 where nothing is.
    var end: Int { state.withLock { $0.end } }

    var byteCount: Int { state.withLock { $0.blocks.count * Self.blockByteCount } }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int, of file: HostFile) throws(FileRefusal) {
        try change { state throws(FileRefusal) in
            try file.read(into: buffer, at: offset)
            guard !state.blocks.isEmpty else { return }
            Self.forEachBlock(offset..<offset + buffer.count) { number, inBlock, inBuffer in
                guard let block = state.blocks[number] else { return }
                block.withUnsafeBytes {
                    UnsafeMutableRawBufferPointer(rebasing: buffer[inBuffer])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[inBlock]))
                }
            }
        }
    }

    func add(_ bytes: UnsafeRawBufferPointer, at offset: Int, of file: HostFile) throws(FileRefusal) {
        try change { state throws(FileRefusal) in
            let size = Self.blockByteCount
            for number in offset / size...max(offset, offset + bytes.count - 1) / size
            where state.blocks[number] == nil {
                // The rest of the block is as in the file.
                var block = [UInt8](repeating: 0, count: size)
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
                defer { buffer.deallocate() }
                try file.read(into: buffer, at: number * size)
                block.withUnsafeMutableBytes { $0.copyMemory(from: UnsafeRawBufferPointer(buffer)) }
                state.blocks[number] = block
            }
            Self.forEachBlock(offset..<offset + bytes.count) { number, inBlock, inBuffer in
                state.blocks[number]?.withUnsafeMutableBytes {
                    UnsafeMutableRawBufferPointer(rebasing: $0[inBlock])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[inBuffer]))
                }
            }
            state.end = max(state.end, offset + bytes.count)
        }
    }

    /// Writes everything to the file, in no order that a reader of the file may count on.
    func write(to file: HostFile) throws(FileRefusal) {
        try change { state throws(FileRefusal) in
            let end = max(state.end, try file.byteCount())
            for (number, block) in state.blocks {
                let offset = number * Self.blockByteCount
                let count = min(block.count, end - offset)
                guard count > 0 else { continue }
                let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
                defer { copy.deallocate() }
                block.withUnsafeBytes { copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                try file.write(UnsafeRawBufferPointer(copy), at: offset)
            }
            state = State()
        }
    }

    /// The parts of a range of the file by block: its number, and the part's place in the block and in the range.
    private static func forEachBlock(_ range: Range<Int>, _ body: (Int, Range<Int>, Range<Int>) -> Void) {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let number = offset / blockByteCount
            let end = min(range.upperBound, (number + 1) * blockByteCount)
            let start = number * blockByteCount
            body(number, offset - start..<end - start, offset - range.lowerBound..<end - range.lowerBound)
            offset = end
        }
    }

    private func change(_ body: (inout State) throws(FileRefusal) -> Void) throws(FileRefusal) {
        let result = state.withLock { state -> Result<Void, FileRefusal> in
            do throws(FileRefusal) {
                try body(&state)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}
