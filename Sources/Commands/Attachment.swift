import EngineClient
import Glibc
import LinuxSystem
import Synchronization

/// This program's input and outputs joined to a process behind an engine.
struct Attachment {
    enum Ending: Equatable {
        case ended
        /// The user left with the detach keys; the process goes on.
        case detached
    }

    let stream: HijackedStream
    let hasTerminal: Bool
    let takesInput: Bool
    let detachKeys: DetachKeys
    /// Tells the engine the terminal's size.
    let resize: @Sendable (_ rows: UInt16, _ columns: UInt16) async -> Void

    /// Passes bytes both ways until the output ends or the user leaves.
    func run() async throws -> Ending {
        let isRaw = hasTerminal && takesInput && TerminalMode.isInput
        let restore = isRaw ? TerminalMode.makeRaw() : {}
        defer { restore() }
        let isDetached = Flag()
        if takesInput { passInput(watchesKeys: isRaw, isDetached) }
        let resizing = hasTerminal ? try followSize() : nil
        defer { resizing?.cancel() }
        do {
            try await passOutput()
        } catch {
            if !isDetached.value { throw error }
        }
        return isDetached.value ? .detached : .ended
    }

    private func passOutput() async throws {
        var frames = OutputFrames()
        while let bytes = try await stream.read() {
            if hasTerminal || !stream.isMultiplexed {
                Output.write(bytes)
                continue
            }
            for (kind, payload) in try frames.feed(bytes) {
                if kind == 2 { Output.errorBytes(payload) } else { Output.write(payload) }
            }
        }
    }

    /// Goes on beside; a read that waits for a key ends with the program.
    private func passInput(watchesKeys: Bool, _ isDetached: Flag) {
        let reader = BlockingReader(0)
        Task { [stream, detachKeys] in
            var keys = detachKeys
            do {
                while true {
                    let bytes = try await reader.read()
                    if bytes.isEmpty { return try await stream.closeInput() }
                    if watchesKeys, keys.isComplete(with: bytes) {
                        isDetached.set()
                        return stream.close()
                    }
                    try await stream.write(bytes)
                }
            } catch {
                // The output's end says what happened.
            }
        }
    }

    private func followSize() throws -> Task<Void, Never> {
        let changes = try SignalStream.watch([SIGWINCH])
        return Task { [resize] in
            if let (rows, columns) = TerminalMode.size() { await resize(rows, columns) }
            for await _ in changes {
                if let (rows, columns) = TerminalMode.size() { await resize(rows, columns) }
            }
        }
    }

    private final class Flag: Sendable {
        private let state = Atomic<Bool>(false)

        var value: Bool { state.load(ordering: .sequentiallyConsistent) }
        func set() { state.store(true, ordering: .sequentiallyConsistent) }
    }
}

/// Copying an engine's output streams.
enum StreamOutput {
    /// Frames to the two outputs, or bytes as they are.
    static func copy(_ response: EngineResponse, isRaw: Bool) async throws {
        var frames = OutputFrames()
        while let bytes = try await response.next() {
            if isRaw {
                Output.write(bytes)
                continue
            }
            for (kind, payload) in try frames.feed(bytes) {
                if kind == 2 { Output.errorBytes(payload) } else { Output.write(payload) }
            }
        }
    }
}
