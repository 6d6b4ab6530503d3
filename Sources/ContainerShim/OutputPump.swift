import Glibc
import LinuxSystem
import RuntimeProtocol

/// Reads one stream of a process for as long as the one who takes it has room.
final class OutputPump {
    let kind: UInt8
    /// -1 at the end.
    private(set) var descriptor: Int32
    private let loop: EventLoop
    /// Answers whether there is room for more now; `resume` comes when there is again.
    private let take: (UInt8, UnsafeRawBufferPointer) -> Bool
    private let ended: () -> Void
    private(set) var isPaused = false

    private(set) var isAtEnd = false

    init(
        _ descriptor: Int32, kind: UInt8, loop: EventLoop,
        take: @escaping (UInt8, UnsafeRawBufferPointer) -> Bool, ended: @escaping () -> Void
    ) {
        self.kind = kind
        self.descriptor = descriptor
        self.loop = loop
        self.take = take
        self.ended = ended
        let flags = fcntl(descriptor, F_GETFL)
        _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
        loop.watch(descriptor, POLLIN) { [unowned self] _ in step() }
    }

    func pause() {
        isPaused = true
        if !isAtEnd { loop.setEvents(descriptor, POLLIN, isPaused: true) }
    }

    func resume() {
        guard isPaused else { return }
        isPaused = false
        if !isAtEnd { loop.setEvents(descriptor, POLLIN) }
    }

    /// Takes what is there and, with nobody left who would write, closes; with `limit` bytes it stops asking for room.
    func drain(limit: Int) {
        var rest = limit
        while !isAtEnd, rest > 0 {
            let count = readOnce()
            if count <= 0 { break }
            rest -= count
        }
        end()
    }

    private func step() {
        // A few pieces, then the others have their turn.
        for _ in 0..<4 where !isPaused && !isAtEnd {
            if readOnce() <= 0 { return }
        }
    }

    /// Bytes read; 0 at the end, -1 where nothing is there now.
    private func readOnce() -> Int {
        let size = ShimLimits.payload
        return withUnsafeTemporaryAllocation(byteCount: size, alignment: 16) { buffer in
            let count = read(descriptor, buffer.baseAddress!, size)
            if count > 0 {
                if !take(kind, UnsafeRawBufferPointer(start: buffer.baseAddress!, count: count)) { pause() }
                return count
            }
            if count < 0, errno == EAGAIN || errno == EINTR { return -1 }
            // A terminal whose last user went answers EIO.
            end()
            return 0
        }
    }

    private func end() {
        if isAtEnd { return }
        isAtEnd = true
        loop.unwatch(descriptor)
        close(descriptor)
        descriptor = -1
        ended()
    }
}
