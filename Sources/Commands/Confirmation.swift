import Glibc
import Values

/// Asking before something is lost.
enum Confirmation {
    /// Whether the user says yes; everything else, an end of input too, is no.
    static func ask(_ question: String) -> Bool {
        Output.text(question)
        let answer = readLine() ?? ""
        return ["y", "yes"].contains(answer.lowercased())
    }
}

/// A number of bytes as it is shown.
struct ByteText: CustomStringConvertible {
    var bytes: Int64

    var description: String { ByteCount(bytes).description }
}
