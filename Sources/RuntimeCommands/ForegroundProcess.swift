import CLinux
import Glibc
import LinuxSystem

/// Waits for a process of a container as if it were this program: signals are passed on, a terminal is relayed.
struct ForegroundProcess: ~Copyable {
    private let signals: Descriptor

    /// To be made before the process: from now on signals wait.
    init() throws(SystemError) { signals = Descriptor(owning: try checked("signalfd", cl_all_signals_descriptor())) }

    /// - Parameter terminal: the master of its terminal, which is closed in the end.
    /// - Returns: its exit code, 128 and the signal for one that a signal ended.
    func wait(_ pid: pid_t, terminal: Int32?) throws -> Int32 {
        let relay = try terminal.map { try TerminalRelay(master: $0) }
        defer { relay?.finish() }
        relay?.takeSize()
        // It may have ended before there was anything to tell of it.
        if let code = try reap(pid) {
            relay?.drain()
            return code
        }
        while true {
            var entries = [pollfd(fd: signals.rawValue, events: Int16(POLLIN), revents: 0)]
            entries += relay?.interests ?? []
            let ready = poll(&entries, nfds_t(entries.count), -1)
            if ready < 0, errno != EINTR { throw SystemError("poll", errno: errno) }
            for entry in entries.dropFirst() where entry.revents != 0 { relay?.move(entry.fd) }
            if entries[0].revents != 0, let code = try takeSignals(pid, relay) {
                relay?.drain()
                return code
            }
        }
    }

    /// The exit code, once it has ended.
    private func takeSignals(_ pid: pid_t, _ relay: TerminalRelay?) throws -> Int32? {
        var result: Int32?
        while case let signal = cl_next_signal(signals.rawValue), signal > 0 {
            switch signal {
            case SIGCHLD: result = try reap(pid) ?? result
            case SIGWINCH where relay != nil: relay?.takeSize()
            // Those of this program's own terminal and I/O are none of the container's.
            case SIGURG, SIGPIPE, SIGTTIN, SIGTTOU: break
            default: kill(pid, signal)
            }
        }
        return result
    }

    private func reap(_ pid: pid_t) throws -> Int32? {
        var code: Int32 = 0
        var result: Int32?
        while case let ended = cl_wait(-1, 1, &code), ended > 0 { if ended == pid { result = code } }
        return result
    }
}

/// This program's own terminal and a container's, as one.
private final class TerminalRelay {
    private let master: Int32
    private var before = termios()
    private let isTerminal: Bool
    private var isInputOpen = true
    private var isOutputOpen = true

    init(master: Int32) throws(SystemError) {
        self.master = master
        isTerminal = isatty(0) == 1
        guard isTerminal else { return }
        tcgetattr(0, &before)
        var raw = before
        cfmakeraw(&raw)
        tcsetattr(0, TCSANOW, &raw)
    }

    func finish() {
        if isTerminal { tcsetattr(0, TCSANOW, &before) }
        close(master)
    }

    func takeSize() {
        var rows: UInt16 = 0
        var columns: UInt16 = 0
        if isTerminal, cl_get_terminal_size(0, &rows, &columns) >= 0 { _ = cl_set_terminal_size(master, rows, columns) }
    }

    var interests: [pollfd] {
        var result: [pollfd] = []
        if isInputOpen { result.append(pollfd(fd: 0, events: Int16(POLLIN), revents: 0)) }
        if isOutputOpen { result.append(pollfd(fd: master, events: Int16(POLLIN), revents: 0)) }
        return result
    }

    func move(_ descriptor: Int32) {
        let piece = (try? Bytes.read(descriptor, upTo: 1 << 16)) ?? []
        if piece.isEmpty {
            if descriptor == 0 { isInputOpen = false } else { isOutputOpen = false }
        } else {
            try? Bytes.writeAll(descriptor == 0 ? master : 1, piece)
        }
    }

    /// What the process wrote before its end. Others may hold the terminal still: they are not waited for.
    func drain() {
        while isOutputOpen {
            var entry = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 0) > 0 else { return }
            move(master)
        }
    }
}
