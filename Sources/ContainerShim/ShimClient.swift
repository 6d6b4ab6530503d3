import CLinux
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol

/// A connection to the shim's socket: first a request, then frames out and input in.
final class ShimClient {
    enum Mode {
        case request
        /// The answer comes later, or has been given and the end of the connection will say more.
        case waiting
        /// Frames of a process, whose input it may write.
        case stream(input: InputWriter?)
        /// Nothing is read any more; what is queued still goes out.
        case closing
    }

    /// Bytes that are held for a client that does not read.
    static let queueLimit = 4 << 20

    private(set) var descriptor: Int32
    private let loop: EventLoop
    private(set) var mode = Mode.request
    private var line: [UInt8] = []
    private var queue: [UInt8] = []
    private var queueStart = 0
    /// When the client became full, or has taken something since then, nanoseconds since boot.
    private(set) var lastProgress = Clock.sinceBoot()
    private var hasEndedInput = false
    /// Whether the other end is closed: nothing goes out any more.
    private var hasGone = false

    var received: (ShimRequest) -> Void = { _ in }
    var inputEnded: () -> Void = {}
    var hasRoomAgain: () -> Void = {}
    var closed: () -> Void = {}

    var isOpen: Bool { descriptor >= 0 }
    var queued: Int { queue.count - queueStart }
    /// Whether it only waits for what will be said one day.
    var isQuiet: Bool { if case .waiting = mode { queued == 0 } else { false } }
    var isFull: Bool { queued >= Self.queueLimit }

    init(_ descriptor: Int32, loop: EventLoop) {
        self.descriptor = descriptor
        self.loop = loop
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        loop.watch(descriptor, POLLIN) { [unowned self] events in ready(events) }
    }

    /// Sends the answer; the connection ends with it, unless `mode` says otherwise.
    func answer(_ answer: ShimAnswer, then mode: Mode = .closing) {
        guard isOpen else { return }
        let text = (try? JSONCoding.encode(answer)) ?? Array("{\"error\":\"no answer\"}".utf8)
        self.mode = mode
        send(text + [0x0a])
        if case .stream = mode, isOpen {
            let rest = line
            line = []
            if !rest.isEmpty { takeInput(rest[...]) }
        }
        updateEvents()
        closeIfDone()
    }

    func wait() {
        mode = .waiting
        updateEvents()
    }

    /// Sends the last frame and closes when everything has gone out.
    func finish(code: Int32) {
        send(ShimFrame.exit(code: code))
        finish()
    }

    func finish() {
        mode = .closing
        updateEvents()
        closeIfDone()
    }

    func send(_ bytes: some Collection<UInt8>) {
        guard isOpen, !hasGone else { return }
        let wasFull = isFull
        queue.append(contentsOf: bytes)
        flush()
        if !wasFull, isFull { lastProgress = Clock.sinceBoot() }
    }

    func close() {
        guard isOpen else { return }
        loop.unwatch(descriptor)
        Glibc.close(descriptor)
        descriptor = -1
        queue = []
        queueStart = 0
        endInput()
        closed()
    }

    private func ready(_ events: Int16) {
        if events & Int16(POLLOUT) != 0 { flush() }
        guard isOpen else { return }
        // What was sent before the other end was closed comes first.
        if events & Int16(POLLIN) != 0 {
            receive()
        } else if events & Int16(POLLHUP | POLLERR) != 0 {
            lose()
        } else if events & Int16(POLLNVAL) != 0 {
            close()
        }
    }

    /// The other end is closed. Input that it sent before is still taken, as fast as the process takes it.
    private func lose() {
        guard case .stream = mode, !hasEndedInput else {
            close()
            return
        }
        let wasFull = isFull
        hasGone = true
        queue = []
        queueStart = 0
        updateEvents()
        if wasFull { hasRoomAgain() }
    }

    private func flush() {
        let wasFull = isFull
        while isOpen, queued > 0 {
            let sent = queue[queueStart...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent > 0 {
                queueStart += sent
                lastProgress = Clock.sinceBoot()
            } else if errno == EAGAIN {
                break
            } else if errno != EINTR {
                lose()
                return
            }
        }
        if queued == 0 {
            queue.removeAll(keepingCapacity: queue.capacity <= 1 << 17)
            queueStart = 0
        } else if queueStart > 1 << 20 {
            queue.removeFirst(queueStart)
            queueStart = 0
        }
        updateEvents()
        if wasFull, !isFull { hasRoomAgain() }
        closeIfDone()
    }

    private func closeIfDone() {
        if isOpen, case .closing = mode, queued == 0 { close() }
    }

    /// Input is read as fast as the process takes it.
    func updateEvents() {
        guard isOpen else { return }
        var events = queued > 0 ? POLLOUT : 0
        var isHeld = false
        switch mode {
        case .request: events |= POLLIN
        case .stream(let input) where !hasEndedInput:
            if input?.isFull == true { isHeld = true } else { events |= POLLIN }
        case .waiting, .stream, .closing: break
        }
        // That it has gone is reported over and over, also while its input is held back.
        loop.setEvents(descriptor, events, isPaused: isHeld && events == 0)
    }

    private func receive() {
        var buffer = [UInt8](repeating: 0, count: ShimLimits.payload)
        let count = read(descriptor, &buffer, buffer.count)
        if count < 0 {
            if errno != EAGAIN, errno != EINTR { close() }
            return
        }
        switch mode {
        case .request:
            if count == 0 {
                close()
                return
            }
            line.append(contentsOf: buffer[..<count])
            if let end = line.firstIndex(of: 0x0a) {
                let text = Array(line[..<end])
                line.removeFirst(end + 1)
                parse(text)
            } else if line.count > ShimLimits.line {
                answer(ShimAnswer(error: "the request is too long: more than \(ShimLimits.line) bytes"))
            }
        case .stream:
            if count == 0 { endInput() } else { takeInput(buffer[..<count]) }
            updateEvents()
        case .waiting, .closing: break
        }
    }

    private func takeInput(_ bytes: ArraySlice<UInt8>) {
        if case .stream(let input?) = mode { input.write(bytes) }
    }

    private func endInput() {
        guard case .stream = mode, !hasEndedInput else { return }
        hasEndedInput = true
        inputEnded()
    }

    private func parse(_ text: [UInt8]) {
        do {
            received(try JSONCoding.decode(ShimRequest.self, from: text))
        } catch {
            answer(ShimAnswer(error: "request not understood: \(error)"))
        }
    }
}
