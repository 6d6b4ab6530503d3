import Glibc

/// The terminal that the program runs in.
enum TerminalMode {
    static var isInput: Bool { isatty(0) == 1 }

    /// Passes every key on as it is; returns what restores the mode.
    static func makeRaw() -> (@Sendable () -> Void) {
        var settings = termios()
        guard tcgetattr(0, &settings) == 0 else { return {} }
        let before = settings
        cfmakeraw(&settings)
        tcsetattr(0, TCSANOW, &settings)
        return {
            var before = before
            tcsetattr(0, TCSANOW, &before)
        }
    }

    /// Keeps what is typed from being seen; returns what restores the mode.
    static func hideInput() -> (@Sendable () -> Void) {
        var settings = termios()
        guard tcgetattr(0, &settings) == 0 else { return {} }
        let before = settings
        settings.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(0, TCSANOW, &settings)
        return {
            var before = before
            tcsetattr(0, TCSANOW, &before)
        }
    }

    /// Rows and columns; nil without a terminal.
    static func size() -> (rows: UInt16, columns: UInt16)? {
        var size = winsize()
        guard ioctl(1, UInt(TIOCGWINSZ), &size) == 0 || ioctl(0, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else {
            return nil
        }
        return (size.ws_row, size.ws_col)
    }
}

/// The keys that leave a container without ending it, watched for among what is typed.
struct DetachKeys: Equatable {
    private let sequence: [UInt8]
    private var matched = 0

    /// `ctrl-p,ctrl-q` by default.
    init(parsing text: String?) throws(FlagError) {
        var sequence: [UInt8] = []
        for key in (text ?? "ctrl-p,ctrl-q").split(separator: ",", omittingEmptySubsequences: false) {
            let lower = key.lowercased()
            if lower.hasPrefix("ctrl-"), lower.utf8.count == 6, let character = lower.utf8.last,
                (0x61...0x7a).contains(character) || (0x5b...0x5f).contains(character) || character == 0x40
            {
                sequence.append(character & 0x1f)
            } else if key.utf8.count == 1 {
                sequence.append(key.utf8.first!)
            } else {
                throw FlagError("--detach-keys", text ?? "", "invalid detach keys: write ctrl-p,ctrl-q and the like")
            }
        }
        self.sequence = sequence
    }

    /// Whether the sequence is complete with these bytes.
    mutating func isComplete(with bytes: [UInt8]) -> Bool {
        for byte in bytes {
            matched = byte == sequence[matched] ? matched + 1 : byte == sequence[0] ? 1 : 0
            if matched == sequence.count { return true }
        }
        return false
    }
}
