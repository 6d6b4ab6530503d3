import CLinux
import Glibc
import LinuxSystem

/// Waits for a process of a container as if it were this program: signals are passed on, a terminal is relayed.
struct ForegroundProcess: ~Copyable {
    private let signals: Descriptor

    /// To be made before the process: from now on signals wait.
    ///
    /// - Parameter isSubreaper: whether what the process leaves behind comes to this program.
    init(isSubreaper: Bool = false) throws(SystemError) {
        let subreaper: Int32 = 36
        if isSubreaper { _ = cl_prctl(subreaper, 1, 0, 0, 0) }
        signals = Descriptor(owning: try checked("signalfd", cl_all_signals_descriptor()))
    }

    /// - Parameter terminal: the master of its terminal, which is closed in the end.
    /// - Returns: its exit code, 128 and the signal for one that a signal ended.
    func wait(_ pid: pid_t, terminal: Int32?) throws -> Int32 {
        let relay = try terminal.map { try TerminalRelay(master: $0) }
        defer { relay?.finish() }
        relay?.takeSize()
        // It may have ended before there was anything to tell of it.
        if let code = try reap(pid) {
            drain(relay)
            return code
        }
        guard let relay else {
            while true {
                var entry = pollfd(fd: signals.rawValue, events: Int16(POLLIN), revents: 0)
                try syscall("poll") { poll(&entry, 1, -1) }
                if let code = try takeSignals(pid, nil) { return code }
            }
        }
        while true {
            var entries = [pollfd(fd: signals.rawValue, events: Int16(POLLIN), revents: 0)]
            entries += relay.interests
            let ready = poll(&entries, nfds_t(entries.count), -1)
            if ready < 0, errno != EINTR { throw SystemError("poll", errno: errno) }
            for entry in entries.dropFirst() where entry.revents != 0 { relay.serve(entry) }
            if entries[0].revents != 0, let code = try takeSignals(pid, relay) {
                drain(relay)
                return code
            }
        }
    }

    /// Whoever wants this program to end meanwhile need not wait for who takes the output.
    private func drain(_ relay: TerminalRelay?) {
        relay?.drain { output in
            while true {
                var entries = [output, pollfd(fd: signals.rawValue, events: Int16(POLLIN), revents: 0)]
                if poll(&entries, 2, -1) < 0, errno != EINTR { return false }
                while case let signal = cl_next_signal(signals.rawValue), signal > 0 {
                    if [SIGTERM, SIGINT, SIGHUP, SIGQUIT].contains(signal) { return false }
                }
                if entries[0].revents != 0 { return true }
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
