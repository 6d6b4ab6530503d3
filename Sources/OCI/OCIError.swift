/// Why a document, a reference or an instruction is not what the specifications allow; the texts are Docker's where it
/// has one.
public struct OCIError: Error, Hashable, CustomStringConvertible {
    public let message: String

    public init(_ message: String) { self.message = message }

    public var description: String { message }
}
