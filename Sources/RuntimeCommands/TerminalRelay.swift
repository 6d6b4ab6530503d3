import CLinux
import Glibc
import LinuxSystem

/// This program's own terminal and a container's, as one. It waits for neither of them: what one side does not take yet
/// is held, and with too much of it the other side is not read.
final class TerminalRelay {
    /// Bytes that are held in each direction at most.
    private static let bufferLimit = 64 << 10
    /// Descriptors 0 and 1 are shared with others, who may not expect them to refuse to wait. What can be written to
    /// can take so many bytes at once (pipe(7): PIPE_BUF is more, but a terminal says less of its room).
    private static let pieceBytes = 1024
    /// The most that is taken after the process's end, in bytes, where somebody else goes on writing.
    private static let drainLimit = 1 << 20

    private let master: Int32
    private var before = termios()
    private let isTerminal: Bool
    private var isInputOpen = true
    private var isOutputOpen = true
    /// False once nobody takes output any more: it is let go of.
    private var isTaken = true
    private var input: ArraySlice<UInt8> = []
    private var output: ArraySlice<UInt8> = []

    /// Takes the container's terminal over, by its master.
    init(master: Int32) throws(SystemError) {
        self.master = master
        isTerminal = isatty(0) == 1
        try syscall("fcntl", on: "terminal") { fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK) }
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

    /// What is to be polled for.
    var interests: [pollfd] {
        var result: [pollfd] = []
        if isInputOpen, input.count < Self.bufferLimit {
            result.append(pollfd(fd: 0, events: Int16(POLLIN), revents: 0))
        }
        if !output.isEmpty { result.append(pollfd(fd: 1, events: Int16(POLLOUT), revents: 0)) }
        var events: Int32 = 0
        if isOutputOpen, output.count < Self.bufferLimit { events |= POLLIN }
        if !input.isEmpty { events |= POLLOUT }
        if events != 0 { result.append(pollfd(fd: master, events: Int16(events), revents: 0)) }
        return result
    }

    /// Moves what an entry of `interests` is ready for.
    func serve(_ entry: pollfd) {
        switch entry.fd {
        case 0: readInput()
        case 1: writeOutput()
        default:
            if entry.revents & Int16(POLLOUT | POLLERR | POLLHUP) != 0 { writeInput() }
            if entry.revents & ~Int16(POLLOUT) != 0 { _ = readOutput() }
        }
    }

    /// What the process wrote before its end. Others may hold the terminal still: they are not waited for.
    ///
    /// - Parameter wait: waits until 1 can be written to; false gives the rest up.
    func drain(wait: (pollfd) -> Bool) {
        input = []
        var taken = 0
        while true {
            while taken < Self.drainLimit, isOutputOpen, output.count < Self.bufferLimit {
                let count = readOutput()
                if count == 0 { break }
                taken += count
            }
            if output.isEmpty || !wait(pollfd(fd: 1, events: Int16(POLLOUT), revents: 0)) { return }
            writeOutput()
        }
    }

    private func readInput() {
        let piece = (try? Bytes.read(0, upTo: Self.bufferLimit - input.count)) ?? []
        if piece.isEmpty { isInputOpen = false }
        input += piece
    }

    private func writeInput() {
        while !input.isEmpty {
            let count = input.withUnsafeBytes { write(master, $0.baseAddress!, $0.count) }
            guard count > 0 else {
                // Nobody has the terminal open any more.
                if errno != EAGAIN, errno != EINTR { input = [] }
                return
            }
            input = input.dropFirst(count)
        }
    }

    /// - Returns: how many bytes came; 0 at the end, and where there is nothing now.
    private func readOutput() -> Int {
        let room = Self.bufferLimit - output.count
        guard isOutputOpen, room > 0 else { return 0 }
        do {
            let piece = try Bytes.read(master, upTo: room)
            if piece.isEmpty { isOutputOpen = false }
            if isTaken { output += piece }
            return piece.count
        } catch {
            // A terminal whose last user went answers EIO.
            if error.errno != EAGAIN { isOutputOpen = false }
            return 0
        }
    }

    private func writeOutput() {
        let count = output.withUnsafeBytes { write(1, $0.baseAddress!, min($0.count, Self.pieceBytes)) }
        if count > 0 {
            output = output.dropFirst(count)
        } else if errno != EAGAIN, errno != EINTR {
            isTaken = false
            output = []
        }
    }
}
