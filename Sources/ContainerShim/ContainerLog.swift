import Glibc
import LinuxSystem
import RuntimeProtocol

/// The container's log: files of JSON lines, renamed to `.1`, `.2` and so on when they are full.
final class ContainerLog {
    private let settings: LogSettings
    /// -1 where it could not be opened, or there is none.
    private(set) var file: Int32 = -1
    private var size: Int64 = 0
    private var output = LogLines(stream: "stdout")
    private var errorOutput = LogLines(stream: "stderr")
    private(set) var unfinishedOutput = UnfinishedLine()
    private(set) var unfinishedErrorOutput = UnfinishedLine()
    private var text: [UInt8] = []

    init(_ settings: LogSettings) throws(SystemError) {
        self.settings = settings
        if settings.path.isEmpty { return }
        try Files.makeDirectories(Files.parent(of: settings.path))
        try open()
    }

    /// Goes on with the log that a sleeping shim held.
    init(_ state: SleepingShim) {
        settings = state.container.log
        file = state.log ?? -1
        size = Int64(max(0, lseek(file, 0, SEEK_END)))
        state.unfinishedOutput.withUnsafeBytes { take(ShimFrame.output, $0) }
        state.unfinishedErrorOutput.withUnsafeBytes { take(ShimFrame.errorOutput, $0) }
    }

    private func open() throws(SystemError) {
        file = try Descriptor.open(settings.path, O_WRONLY | O_APPEND | O_CREAT, mode: 0o640).release()
        size = Int64(lseek(file, 0, SEEK_END))
    }

    func take(_ kind: UInt8, _ bytes: UnsafeRawBufferPointer) {
        if settings.path.isEmpty { return }
        if kind == ShimFrame.errorOutput {
            errorOutput.take(bytes, time: Clock.now(), into: &text)
            unfinishedErrorOutput.take(bytes)
        } else {
            output.take(bytes, time: Clock.now(), into: &text)
            unfinishedOutput.take(bytes)
        }
        flush()
    }

    /// Writes what had no newline at the end.
    func finish() {
        if settings.path.isEmpty { return }
        output.finish(time: Clock.now(), into: &text)
        errorOutput.finish(time: Clock.now(), into: &text)
        flush()
        if file >= 0 { close(file) }
        file = -1
    }

    /// Whole lines into the current file; a full disk loses lines, the container goes on.
    private func flush() {
        defer { text.removeAll(keepingCapacity: text.capacity <= 1 << 18) }
        var start = 0
        while start < text.count {
            if file < 0, (try? open()) == nil { return }
            var end = text.count
            if settings.maximumBytes > 0, size + Int64(end - start) > settings.maximumBytes {
                guard let fitting = lineEnd(from: start, room: Int(max(0, settings.maximumBytes - size))) else {
                    guard rotate() else { return }
                    continue
                }
                end = fitting
            }
            let written = text[start..<end].withUnsafeBytes { Self.write(file, $0) }
            size += Int64(written)
            guard written == end - start else {
                dropTornLine(text[start..<start + written])
                return
            }
            start = end
        }
    }

    /// Writes as many of the bytes as there is room for on the disk, and says how many those are.
    private static func write(_ file: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        var written = 0
        while written < bytes.count {
            let count = Glibc.write(file, bytes.baseAddress! + written, bytes.count - written)
            if count < 0, errno != EINTR { break }
            written += max(0, count)
        }
        return written
    }

    /// Takes the beginning of a line away, as the next one would go on with it.
    ///
    /// - Parameter written: what the file ends with; it began with a line.
    private func dropTornLine(_ written: ArraySlice<UInt8>) {
        let torn = written.reversed().prefix { $0 != 0x0a }.count
        // Somebody else may have shortened the file.
        let end = lseek(file, 0, SEEK_END)
        if torn > 0, end >= torn, ftruncate(file, end - torn) == 0 { size -= Int64(torn) }
    }

    /// The end of the last line that fits into `room`; of the first one where an empty file cannot hold even that; nil
    /// where a new file must be begun.
    private func lineEnd(from start: Int, room: Int) -> Int? {
        if let end = text[start..<min(text.count, start + room)].lastIndex(of: 0x0a) { return end + 1 }
        if size > 0 { return nil }
        return (text[start...].firstIndex(of: 0x0a) ?? text.count - 1) + 1
    }

    /// Begins a new file; where the old one cannot be moved away, from its beginning. False where there is no room.
    private func rotate() -> Bool {
        if file >= 0 { close(file) }
        file = -1
        let path = settings.path
        if settings.maximumFiles <= 1 {
            unlink(path)
        } else {
            for number in stride(from: settings.maximumFiles - 1, to: 1, by: -1) {
                rename("\(path).\(number - 1)", "\(path).\(number)")
            }
            rename(path, path + ".1")
        }
        try? open()
        if size > 0, ftruncate(file, 0) == 0 { size = 0 }
        return file >= 0 && size == 0
    }
}
