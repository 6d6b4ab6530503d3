import Engine
import EngineModel

/// How a client is attached to a process: which directions pass, in which form, and what ends it.
struct AttachedStream: Sendable {
    var takesInput = false
    var givesOutput = true
    var givesErrors = true
    /// With a terminal output is raw; without one it comes in frames.
    var hasTerminal = false
    /// Whether the end of the client's input is the end of the process's.
    var closesInput = true
    var detachKeys = DetachKeys.standard

    /// The content type of the answer that begins the stream.
    func contentType(version: Int) -> String {
        hasTerminal || version < 42
            ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream"
    }

    /// Docker's frame: kind, three zero bytes, length (most significant byte first), payload.
    static func frame(_ kind: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        let length = UInt32(bytes.count)
        return [kind, 0, 0, 0] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + bytes
    }

    /// Passes bytes both ways until the process ends or the client detaches.
    func pump(_ connection: HijackedConnection, _ stream: ProcessStream) async throws {
        defer { stream.close() }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await passOutput(from: stream, to: connection)
                return true
            }
            group.addTask { try await passInput(from: connection, to: stream) }
            while let isOver = try await group.next() {
                if isOver { break }
            }
            group.cancelAll()
        }
    }

    private func passOutput(from stream: ProcessStream, to connection: HijackedConnection) async throws {
        while let frame = try await stream.read() {
            switch frame {
            case .output(let bytes) where givesOutput:
                try await connection.write(hasTerminal ? bytes : Self.frame(1, bytes))
            case .errorOutput(let bytes) where givesErrors:
                try await connection.write(hasTerminal ? bytes : Self.frame(2, bytes))
            case .output, .errorOutput: continue
            case .exit: return
            }
        }
    }

    /// True where the client detached; false where only its input ended, which ends nothing else.
    private func passInput(from connection: HijackedConnection, to stream: ProcessStream) async throws -> Bool {
        var keys = detachKeys
        while let bytes = try await connection.read() {
            guard takesInput else { continue }
            guard hasTerminal else {
                try await stream.write(bytes)
                continue
            }
            let (passed, isDetached) = keys.feed(bytes)
            if !passed.isEmpty { try await stream.write(passed) }
            if isDetached { return true }
        }
        if takesInput, closesInput, !hasTerminal { await stream.closeInput() }
        return false
    }
}

/// The keys that leave a terminal without ending what runs in it.
struct DetachKeys: Hashable, Sendable {
    private let sequence: [UInt8]
    private var matched = 0

    /// Control-P, control-Q.
    static let standard = DetachKeys([16, 17])

    private init(_ sequence: [UInt8]) { self.sequence = sequence }

    /// Parses `ctrl-p,ctrl-q`, `ctrl-@,a` and so on.
    init(parsing text: String) throws(EngineError) {
        var sequence: [UInt8] = []
        for key in text.split(separator: ",", omittingEmptySubsequences: false) {
            let lower = key.lowercased()
            if lower.hasPrefix("ctrl-"), let character = lower.dropFirst(5).utf8.first, lower.utf8.count == 6 {
                switch character {
                case 0x61...0x7a: sequence.append(character - 0x60)
                case UInt8(ascii: "@"): sequence.append(0)
                case 0x5b...0x5f: sequence.append(character - 0x40)
                default: throw EngineError(.invalidParameter, "invalid detach keys (\(text)) provided")
                }
            } else if key.utf8.count == 1 {
                sequence.append(key.utf8.first!)
            } else {
                throw EngineError(.invalidParameter, "invalid detach keys (\(text)) provided")
            }
        }
        self.init(sequence)
    }

    /// Takes in bytes; gives those that are for the process, and whether the whole sequence was typed.
    mutating func feed(_ bytes: [UInt8]) -> (passed: [UInt8], isDetached: Bool) {
        var passed: [UInt8] = []
        for byte in bytes {
            if byte == sequence[matched] {
                matched += 1
                if matched == sequence.count { return (passed, true) }
                continue
            }
            passed += sequence[..<matched]
            matched = 0
            if byte == sequence[0] { matched = 1 } else { passed.append(byte) }
            if matched == sequence.count { return (passed, true) }
        }
        return (passed, false)
    }
}
