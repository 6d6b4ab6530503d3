import EngineModel
import Executors
import Glibc
import JSON
import LinuxSystem
import Values

/// Reads a container's log files (`json.log`, older ones `.1`, `.2`, …) in their order, across rotations.
actor LogReader {
    /// How much is read at once, in bytes.
    static let pieceBytes = 1 << 17
    /// The longest line, in bytes; what is longer is no line of the shim's.
    static let lineLimit = 1 << 20

    struct Batch: Sendable {
        var frames: [LogFrame] = []
        /// All that was written until now has been read.
        var isAtEnd = false
        /// Nothing wanted comes any more.
        var isPastUntil = false
    }

    private static let executor = ThreadExecutor(name: "engine-logs")

    private let path: String
    private let options: LogOptions
    /// Open files still to be read, the current one first.
    private var files: [Int32] = []
    private var hasOpened = false
    private var rest: [UInt8] = []
    private var isLastLook = false

    nonisolated var unownedExecutor: UnownedSerialExecutor { Self.executor.asUnownedSerialExecutor() }

    init(path: String, options: LogOptions) {
        self.path = path
        self.options = options
    }

    deinit { for file in files { close(file) } }

    func next() throws -> Batch {
        if !hasOpened {
            openAll()
            try skipToTail()
        }
        guard let file = files.first else {
            // A container that has not been started yet has no file.
            if let file = try? Descriptor.open(path, O_RDONLY) {
                files = [file.release()]
            } else {
                return Batch(isAtEnd: true)
            }
            return Batch()
        }
        let piece = try Bytes.read(file, upTo: Self.pieceBytes)
        if piece.isEmpty { return Batch(isAtEnd: !advance()) }
        isLastLook = false
        return parse(piece)
    }

    /// The files there are, oldest first.
    private func openAll() {
        hasOpened = true
        var names = [path]
        var number = 1
        while Files.exists("\(path).\(number)") {
            names.append("\(path).\(number)")
            number += 1
        }
        files = names.reversed().compactMap { try? Descriptor.open($0, O_RDONLY).release() }
    }

    /// Goes on to the next file where the current one has been read; false where there is none.
    private func advance() -> Bool {
        if files.count > 1 {
            close(files.removeFirst())
            return true
        }
        guard let next = successor() else { return false }
        // What was written between the last read and the rotation.
        guard isLastLook else {
            isLastLook = true
            return true
        }
        isLastLook = false
        guard let file = try? Descriptor.open(next, O_RDONLY) else { return false }
        close(files.removeFirst())
        files = [file.release()]
        return true
    }

    /// The file that was begun after the current one was renamed; nil where it was not.
    private func successor() -> String? {
        var own = stat()
        var other = stat()
        guard fstat(files[0], &own) == 0, stat(path, &other) == 0, own.st_ino != other.st_ino else { return nil }
        var number = 1
        var oldest = path
        while stat("\(path).\(number)", &other) == 0 {
            if other.st_ino == own.st_ino { return oldest }
            oldest = "\(path).\(number)"
            number += 1
        }
        return oldest
    }

    /// Moves to the first of the last lines that are wanted.
    private func skipToTail() throws {
        guard let tail = options.tail else { return }
        var missing = tail
        var index = files.count
        while index > 0 {
            index -= 1
            let size = lseek(files[index], 0, SEEK_END)
            let (start, found) = try Self.lineStart(files[index], size: size, count: missing)
            lseek(files[index], start, SEEK_SET)
            missing -= found
            if missing <= 0 { break }
        }
        for file in files[..<index] { close(file) }
        files.removeFirst(index)
    }

    /// Where the last `count` lines of a file begin, and how many of them it has.
    private static func lineStart(_ file: Int32, size: off_t, count: Int) throws -> (off_t, Int) {
        guard count > 0 else { return (size, 0) }
        var found = 0
        var end = size
        while end > 0 {
            let begin = max(0, end - off_t(pieceBytes))
            lseek(file, begin, SEEK_SET)
            var piece: [UInt8] = []
            while piece.count < Int(end - begin) {
                let more = try Bytes.read(file, upTo: Int(end - begin) - piece.count)
                if more.isEmpty { break }
                piece += more
            }
            for index in piece.indices.reversed() where piece[index] == 0x0a {
                let next = begin + off_t(index) + 1
                if next == size { continue }
                found += 1
                if found == count { return (next, count) }
            }
            end = begin
        }
        return (0, size > 0 ? found + 1 : 0)
    }

    private func parse(_ piece: [UInt8]) -> Batch {
        var batch = Batch()
        var start = piece.startIndex
        while let end = piece[start...].firstIndex(of: 0x0a) {
            let line = rest + piece[start..<end]
            rest = []
            start = end + 1
            guard let frame = Self.frame(line) else { continue }
            if let until = options.until, frame.time > until {
                batch.isPastUntil = true
                return batch
            }
            if let since = options.since, frame.time < since { continue }
            guard frame.stream == .stdout ? options.stdout : options.stderr else { continue }
            batch.frames.append(frame)
        }
        rest += piece[start...]
        if rest.count > Self.lineLimit { rest = [] }
        return batch
    }

    static func frame(_ line: [UInt8]) -> LogFrame? {
        guard let value = try? JSONValue(parsing: line), let text = value["log"]?.string,
            let time = value["time"]?.string.flatMap({ Timestamp(rfc3339: $0) })
        else { return nil }
        return LogFrame(
            stream: value["stream"]?.string == "stderr" ? .stderr : .stdout, bytes: Array(text.utf8), time: time)
    }
}
