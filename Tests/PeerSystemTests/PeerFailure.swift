import TestSupport

/// A command that should have worked did not.
struct PeerFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    init(command: [String], _ done: Command) {
        description =
            "\(command.joined(separator: " ")): exit code \(done.code)\n\(done.output.suffix(2000))"
            + "\(done.errorOutput.suffix(2000))"
    }
}

extension String {
    /// Without white space at its ends.
    var trimmed: String {
        var text = self[...]
        while text.last?.isWhitespace == true { text.removeLast() }
        while text.first?.isWhitespace == true { text.removeFirst() }
        return String(text)
    }
}
