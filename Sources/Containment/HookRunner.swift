import CLinux
import Glibc
import JSON
import LinuxSystem
import RuntimeSpec

/// What a signal means, in words (strsignal(3)): `bad system call`.
private enum SignalText {
    static func of(_ signal: Int32) -> String {
        guard let text = strsignal(signal) else { return "\(signal)" }
        return String(cString: text).lowercased()
    }
}

/// Runs hooks (config.md: POSIX-platform Hooks): programs that get the container's state on their standard input.
public enum HookRunner {
    /// The most of a hook's output that an error quotes, in bytes.
    private static let outputLimit = 4096
    /// How long one may take that has no limit of its own, seconds.
    private static let usualTimeout = 3600

    /// Runs them in order, the first that fails ends it.
    public static func run(_ hooks: [RuntimeConfiguration.Hook]?, _ name: String, _ state: ContainerState) throws {
        for (index, hook) in (hooks ?? []).enumerated() { try run(hook, "\(name)[\(index)]", state) }
    }

    /// Runs them all in order, also after one that fails.
    ///
    /// - Returns: what went wrong.
    public static func runAll(
        _ hooks: [RuntimeConfiguration.Hook]?, _ name: String, _ state: ContainerState
    ) -> [SetupError] {
        var failures: [SetupError] = []
        for (index, hook) in (hooks ?? []).enumerated() {
            do {
                try run(hook, "\(name)[\(index)]", state)
            } catch {
                failures.append(error)
            }
        }
        return failures
    }

    private static func run(
        _ hook: RuntimeConfiguration.Hook, _ name: String, _ state: ContainerState
    ) throws(SetupError) {
        do {
            try run(hook, state)
        } catch {
            throw SetupError("error running hooks.\(name) (\(hook.path)): \(SetupError(error).reason)")
        }
    }

    private static func run(_ hook: RuntimeConfiguration.Hook, _ state: ContainerState) throws {
        let text = try JSONCoding.encode(state)
        let (input, feed) = try Descriptor.pipe()
        let (output, sink) = try Descriptor.pipe()
        let result = Descriptor(owning: output)
        let pid: pid_t
        do {
            let inputEnd = Descriptor(owning: input)
            let outputEnd = Descriptor(owning: sink)
            let arguments = hook.args ?? []
            pid = try ChildProcess.spawn(
                hook.path, arguments.isEmpty ? [hook.path] : arguments, environment: hook.env ?? [],
                descriptors: [inputEnd.rawValue, outputEnd.rawValue, outputEnd.rawValue], inNewSession: true)
        }
        // A state is shorter than a pipe, unless its annotations are long; a hook need not read it.
        let ignored = signal(SIGPIPE, SIG_IGN)
        defer { signal(SIGPIPE, ignored) }
        _ = fcntl(feed, F_SETFL, O_NONBLOCK)
        let deadline = Clock.sinceBoot() + Int64(hook.timeout ?? usualTimeout) * 1_000_000_000
        let said = follow(feed, text, result.rawValue, until: deadline)
        guard let said else {
            kill(-pid, SIGKILL)
            kill(pid, SIGKILL)
            _ = try? ChildProcess.wait(pid)
            throw SetupError("took longer than \(hook.timeout ?? usualTimeout) s and was killed")
        }
        guard Self.ends(pid, before: deadline) else {
            kill(-pid, SIGKILL)
            kill(pid, SIGKILL)
            _ = try? ChildProcess.wait(pid)
            throw SetupError("took longer than \(hook.timeout ?? usualTimeout) s and was killed")
        }
        let code = try ChildProcess.wait(pid)
        guard code != 0 else { return }
        let words = String(decoding: said, as: UTF8.self).split(whereSeparator: \.isNewline).joined(separator: " ")
        let how = code > 128 ? "signal: \(SignalText.of(code - 128))" : "exit status \(code)"
        throw SetupError(words.isEmpty ? how : "\(how), output: \(words)")
    }

    /// Whether a child ends in time; one may close its output and stay.
    private static func ends(_ pid: pid_t, before deadline: Int64) -> Bool {
        let process = cl_pidfd_open(pid)
        guard process >= 0 else { return true }
        defer { close(process) }
        while true {
            let left = (deadline - Clock.sinceBoot() + 999_999) / 1_000_000
            var entry = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
            if left <= 0 { return false }
            if poll(&entry, 1, Int32(min(left, 60_000))) > 0 { return true }
        }
    }

    /// Feeds the state, closes its descriptor, and reads the output to its end; nil when the deadline passes first.
    private static func follow(_ feed: Int32, _ text: [UInt8], _ output: Int32, until deadline: Int64) -> [UInt8]? {
        var isFeeding = true
        defer { if isFeeding { close(feed) } }
        var said: [UInt8] = []
        var sent = 0
        while true {
            var entries = [pollfd(fd: output, events: Int16(POLLIN), revents: 0)]
            if isFeeding { entries.append(pollfd(fd: feed, events: Int16(POLLOUT), revents: 0)) }
            let left = (deadline - Clock.sinceBoot() + 999_999) / 1_000_000
            guard left > 0 else { return nil }
            let ready = poll(&entries, nfds_t(entries.count), Int32(min(left, 60_000)))
            if ready < 0, errno != EINTR { return said }
            guard ready > 0 else { continue }
            if isFeeding, entries[1].revents != 0 {
                let count = text[sent...].withUnsafeBytes { write(feed, $0.baseAddress, $0.count) }
                sent += max(0, count)
                if sent == text.count || count < 0 && errno != EAGAIN {
                    close(feed)
                    isFeeding = false
                }
            }
            if entries[0].revents != 0 {
                guard let piece = try? Bytes.read(output, upTo: outputLimit), !piece.isEmpty else { return said }
                said.append(contentsOf: piece.prefix(outputLimit - said.count))
            }
        }
    }
}
