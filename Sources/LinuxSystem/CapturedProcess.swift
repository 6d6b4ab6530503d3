import Glibc
import Values

/// A program that ran to its end, with what it printed.
public struct CapturedProcess: Sendable {
    /// The most that is kept of each stream, in bytes.
    public static let outputLimit = 64 << 20

    /// The exit code; 128 and the signal where one ended it.
    public let code: Int32
    public let output: [UInt8]
    public let errors: [UInt8]

    /// Runs a program on the calling thread, feeds it `input` and gathers both its streams.
    ///
    /// - Parameter limit: after it the program is killed and the code is 137.
    public static func run(
        _ path: String, _ arguments: [String], environment: [String], input: [UInt8] = [],
        within limit: Duration = .seconds(60)
    ) throws(SystemError) -> CapturedProcess {
        let stdin = try Descriptor.pipe()
        let stdout = try Descriptor.pipe()
        let stderr = try Descriptor.pipe()
        let pid: pid_t
        do {
            defer { for end in [stdin.read, stdout.write, stderr.write] { close(end) } }
            pid = try ChildProcess.spawn(
                path, arguments, environment: environment, descriptors: [stdin.read, stdout.write, stderr.write])
        } catch {
            for end in [stdin.write, stdout.read, stderr.read] { close(end) }
            throw error
        }
        var exchange = Exchange(input: input, feeding: stdin.write, streams: [stdout.read, stderr.read])
        exchange.run(within: limit, killing: pid)
        return CapturedProcess(
            code: try ChildProcess.wait(pid), output: exchange.gathered[0], errors: exchange.gathered[1])
    }

    /// What goes to a program and comes from it, until it ends both streams.
    private struct Exchange {
        let input: [UInt8]
        var written = 0
        var feeding: Int32
        var streams: [Int32]
        var gathered: [[UInt8]] = [[], []]

        init(input: [UInt8], feeding: Int32, streams: [Int32]) {
            self.input = input
            self.feeding = feeding
            self.streams = streams
            signal(SIGPIPE, SIG_IGN)
            _ = fcntl(feeding, F_SETFL, O_NONBLOCK)
            if input.isEmpty { closeInput() }
        }

        mutating func run(within limit: Duration, killing pid: pid_t) {
            let deadline = Clock.sinceBoot() + Int64(limit / .nanoseconds(1))
            var isKilled = false
            while streams.contains(where: { $0 >= 0 }) {
                var polled = streams.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
                polled.append(pollfd(fd: feeding, events: Int16(POLLOUT), revents: 0))
                poll(&polled, 3, 200)
                if !isKilled, Clock.sinceBoot() > deadline {
                    kill(pid, SIGKILL)
                    isKilled = true
                }
                // A grandchild that keeps the streams open does not hold up the caller of what was killed.
                if isKilled, Clock.sinceBoot() > deadline + 2_000_000_000 { break }
                for index in 0..<2 where polled[index].revents != 0 { gather(index) }
                if polled[2].revents != 0 { feed() }
            }
            for stream in streams where stream >= 0 { close(stream) }
            closeInput()
        }

        private mutating func gather(_ index: Int) {
            let piece = (try? Bytes.read(streams[index], upTo: 1 << 16)) ?? []
            gathered[index] += piece.prefix(max(0, outputLimit - gathered[index].count))
            guard piece.isEmpty else { return }
            close(streams[index])
            streams[index] = -1
        }

        private mutating func feed() {
            let count = input.withUnsafeBytes {
                write(feeding, $0.baseAddress! + written, min(1 << 16, input.count - written))
            }
            if count > 0 { written += count }
            if written == input.count || count < 0 && errno != EAGAIN && errno != EINTR { closeInput() }
        }

        private mutating func closeInput() {
            if feeding >= 0 { close(feeding) }
            feeding = -1
        }
    }
}
