import Values

/// Cuts one stream of a container's output into the lines of a `json-file` log.
///
/// A line longer than `longest` becomes several entries, of which only the last ends with a newline, as Docker writes
/// it.
public struct LogLines: Sendable {
    /// Bytes of output in one entry at most.
    public static let longest = 16 << 10

    /// `stdout` or `stderr`.
    public let stream: String
    private var pending: [UInt8] = []
    private let tail: [UInt8]

    public init(stream: String) {
        self.stream = stream
        tail = Array("\",\"stream\":\"\(stream)\",\"time\":\"".utf8)
    }

    /// Takes output and appends the entries that are complete with it to `text`.
    public mutating func take(_ bytes: UnsafeRawBufferPointer, time: Timestamp, into text: inout [UInt8]) {
        var rest = bytes[...]
        var stamp: [UInt8]?
        while !rest.isEmpty {
            let room = Self.longest - pending.count
            let window = rest.prefix(room)
            let isComplete: Bool
            let piece: Slice<UnsafeRawBufferPointer>
            if let end = window.firstIndex(of: 0x0a) {
                piece = rest[rest.startIndex...end]
                isComplete = true
            } else {
                piece = window
                isComplete = window.count == room
            }
            rest = rest[piece.endIndex...]
            guard isComplete else {
                pending.append(contentsOf: piece)
                return
            }
            let now = stamp ?? Array(time.description.utf8)
            stamp = now
            if pending.isEmpty {
                entry(UnsafeRawBufferPointer(rebasing: piece), time: now, into: &text)
            } else {
                pending.append(contentsOf: piece)
                pending.withUnsafeBytes { entry($0, time: now, into: &text) }
                pending.removeAll(keepingCapacity: true)
            }
        }
    }

    /// The stream's end: what was written after the last newline becomes an entry, with one.
    public mutating func finish(time: Timestamp, into text: inout [UInt8]) {
        guard !pending.isEmpty else { return }
        pending.append(0x0a)
        pending.withUnsafeBytes { entry($0, time: Array(time.description.utf8), into: &text) }
        pending = []
    }

    private static let head = Array("{\"log\":\"".utf8)
    private static let end = Array("\"}\n".utf8)
    private static let replacement = Array("\u{fffd}".utf8)
    private static let digits = Array("0123456789abcdef".utf8)

    private func entry(_ bytes: UnsafeRawBufferPointer, time: [UInt8], into text: inout [UInt8]) {
        text.reserveCapacity(text.count + bytes.count + 96)
        text.append(contentsOf: Self.head)
        var index = 0
        while index < bytes.count {
            let start = index
            while index < bytes.count, Self.isPlain(bytes[index]) { index += 1 }
            if index > start { text.append(contentsOf: bytes[start..<index]) }
            guard index < bytes.count else { break }
            let byte = bytes[index]
            if byte < 0x80 {
                Self.escape(byte, into: &text)
                index += 1
                continue
            }
            let length = Self.sequence(at: index, of: bytes)
            if length == 0 {
                text.append(contentsOf: Self.replacement)
                index += 1
            } else {
                text.append(contentsOf: bytes[index..<index + length])
                index += length
            }
        }
        text.append(contentsOf: tail)
        text.append(contentsOf: time)
        text.append(contentsOf: Self.end)
    }

    /// Whether JSON holds the byte as it is.
    private static func isPlain(_ byte: UInt8) -> Bool { byte >= 0x20 && byte < 0x80 && byte != 0x22 && byte != 0x5c }

    private static func escape(_ byte: UInt8, into text: inout [UInt8]) {
        switch byte {
        case 0x22, 0x5c:
            text.append(0x5c)
            text.append(byte)
        case 0x0a:
            text.append(0x5c)
            text.append(0x6e)
        case 0x0d:
            text.append(0x5c)
            text.append(0x72)
        case 0x09:
            text.append(0x5c)
            text.append(0x74)
        case 0..<0x20:
            text.append(contentsOf: [0x5c, 0x75, 0x30, 0x30, digits[Int(byte >> 4)], digits[Int(byte & 15)]])
        default: text.append(byte)
        }
    }

    /// The length of the well-formed UTF-8 sequence at `index` (RFC 3629 section 4); 0 where there is none.
    private static func sequence(at index: Int, of bytes: UnsafeRawBufferPointer) -> Int {
        let first = bytes[index]
        let length: Int
        var lowest: UInt8 = 0x80
        var highest: UInt8 = 0xbf
        switch first {
        case 0xc2...0xdf: length = 2
        case 0xe0: (length, lowest) = (3, 0xa0)
        case 0xed: (length, highest) = (3, 0x9f)
        case 0xe1...0xef: length = 3
        case 0xf0: (length, lowest) = (4, 0x90)
        case 0xf4: (length, highest) = (4, 0x8f)
        case 0xf1...0xf3: length = 4
        default: return 0
        }
        guard index + length <= bytes.count, (lowest...highest).contains(bytes[index + 1]) else { return 0 }
        for offset in 2..<max(2, length) where !(0x80...0xbf).contains(bytes[index + offset]) { return 0 }
        return length
    }
}
