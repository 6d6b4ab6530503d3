import Glibc

/// What is added to a file of text, which may begin anew.
struct LogTail {
    let path: String
    private var offset = 0
    /// The beginning of a line whose end is not there yet.
    private var rest: [UInt8] = []

    init(path: String) { self.path = path }

    /// The lines that were added since the last time.
    mutating func newLines() -> [String] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        let length = Int(lseek(file, 0, SEEK_END))
        if length < offset { (offset, rest) = (0, []) }
        var buffer = [UInt8](repeating: 0, count: length - offset)
        let count = max(0, pread(file, &buffer, buffer.count, off_t(offset)))
        offset += count
        rest += buffer[..<count]
        guard let end = rest.lastIndex(of: 0x0a) else { return [] }
        let lines = rest[..<end].split(separator: 0x0a).map { String(decoding: $0, as: UTF8.self) }
        rest.removeSubrange(...end)
        return lines
    }
}
