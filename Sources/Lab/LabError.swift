/// Why something could not be done with a lab: what was attempted, on what, and the cause.
public struct LabError: Error, Hashable, CustomStringConvertible {
    public let message: String

    public init(_ message: String) { self.message = message }

    public var description: String { message }
}
