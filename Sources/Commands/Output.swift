import Glibc
import LinuxSystem

/// The program's two outputs, written without a buffer in between.
enum Output {
    /// Writes to standard output; a reader that went away ends the program.
    static func write(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        do {
            try Bytes.writeAll(1, bytes)
        } catch {
            exit(1)
        }
    }

    static func text(_ text: String) { write(Array(text.utf8)) }

    /// A line on standard output.
    static func line(_ text: String) { write(Array((text + "\n").utf8)) }

    /// A line on standard error.
    static func error(_ text: String) { try? Bytes.writeAll(2, Array((text + "\n").utf8)) }

    static func errorBytes(_ bytes: [UInt8]) { try? Bytes.writeAll(2, bytes) }

    static var isTerminal: Bool { isatty(1) == 1 }
}
