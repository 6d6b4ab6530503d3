import Glibc
import LinuxSystem
import Synchronization

/// Tells when files in a directory change (inotify(7)): one thread for the whole process.
final class LogWatcher: Sendable {
    static let shared = LogWatcher()

    private struct State {
        var watches: [Int32: [UInt64: AsyncStream<Void>.Continuation]] = [:]
        var next: UInt64 = 0
    }

    private let descriptor: Int32
    private let state = Mutex(State())

    private init() {
        descriptor = inotify_init1(Int32(IN_CLOEXEC))
        guard descriptor >= 0 else { return }
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<LogWatcher>.fromOpaque(argument!).takeUnretainedValue().run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(failure == 0, "no thread can be started: \(failure)")
        pthread_detach(thread)
    }

    /// Yields to `continuation` whenever something in `directory` is written or renamed; the number is for `remove`.
    /// Nil where the kernel has no more watches.
    func add(_ directory: String, _ continuation: AsyncStream<Void>.Continuation) -> (watch: Int32, key: UInt64)? {
        state.withLock { state in
            let watch = inotify_add_watch(
                descriptor, directory, UInt32(IN_MODIFY) | UInt32(IN_CREATE) | UInt32(IN_MOVED_TO))
            guard watch >= 0 else { return nil }
            state.next += 1
            state.watches[watch, default: [:]][state.next] = continuation
            return (watch, state.next)
        }
    }

    func remove(_ watch: Int32, _ key: UInt64) {
        state.withLock { state in
            guard state.watches[watch]?.removeValue(forKey: key) != nil, state.watches[watch]!.isEmpty else { return }
            state.watches[watch] = nil
            inotify_rm_watch(descriptor, watch)
        }
    }

    private func run() {
        while true {
            guard let bytes = try? Bytes.read(descriptor, upTo: 1 << 14), !bytes.isEmpty else { return }
            var changed: Set<Int32> = []
            var offset = 0
            let header = MemoryLayout<inotify_event>.size
            bytes.withUnsafeBytes { buffer in
                while offset + header <= buffer.count {
                    let watch = buffer.loadUnaligned(fromByteOffset: offset, as: Int32.self)
                    let length = buffer.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self)
                    changed.insert(watch)
                    offset += header + Int(length)
                }
            }
            let listeners = state.withLock { state in
                changed.flatMap { state.watches[$0].map { Array($0.values) } ?? [] }
            }
            for listener in listeners { listener.yield() }
        }
    }
}
