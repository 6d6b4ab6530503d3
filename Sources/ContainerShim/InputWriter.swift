import Glibc
import LinuxSystem

/// Writes to a process's standard input or terminal without ever waiting for it.
final class InputWriter {
    /// Bytes that are held for a process that does not read; beyond them, clients wait.
    static let limit = 256 << 10

    /// -1 when it is closed.
    private(set) var descriptor: Int32
    private let loop: EventLoop
    private let isTerminal: Bool
    private var pending: [UInt8] = []
    private var isEnding = false
    /// Called when there is room again.
    var hasRoomAgain: () -> Void = {}

    var isFull: Bool { pending.count >= Self.limit }
    var isEmpty: Bool { pending.isEmpty }

    /// Takes the descriptor over.
    init(_ descriptor: Int32, isTerminal: Bool, loop: EventLoop) {
        self.descriptor = descriptor
        self.loop = loop
        self.isTerminal = isTerminal
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        loop.watch(descriptor, 0) { [unowned self] events in ready(events) }
        // A pipe whose reader went reports an error at once, a terminal may be hung up and come back.
        loop.setEvents(descriptor, 0, isPaused: true)
    }

    func write(_ bytes: some Collection<UInt8>) {
        guard descriptor >= 0, !isEnding else { return }
        pending.append(contentsOf: bytes)
        flush()
    }

    /// Closes after what is pending; a terminal stays open.
    func finish() {
        if isTerminal { return }
        isEnding = true
        flush()
    }

    func close() {
        guard descriptor >= 0 else { return }
        loop.unwatch(descriptor)
        Glibc.close(descriptor)
        descriptor = -1
        pending = []
        hasRoomAgain()
    }

    private func ready(_ events: Int16) {
        flush()
    }

    private func flush() {
        let wasFull = isFull
        while descriptor >= 0, !pending.isEmpty {
            let count = pending.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress!, $0.count) }
            if count > 0 {
                pending.removeFirst(count)
            } else if errno == EAGAIN {
                loop.setEvents(descriptor, POLLOUT)
                if wasFull, !isFull { hasRoomAgain() }
                return
            } else if errno != EINTR {
                close()
                return
            }
        }
        guard descriptor >= 0 else { return }
        if isEnding { close() } else { loop.setEvents(descriptor, 0, isPaused: true) }
        if wasFull, !isFull { hasRoomAgain() }
    }
}
