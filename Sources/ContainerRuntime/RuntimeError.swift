import RuntimeProtocol

/// Why the runtime could not do what was asked: what was attempted, on which container, and the cause.
public struct RuntimeError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// No container of that identifier is known here.
        case notFound
        /// The container has no process that could take the request: it was not created, or it has ended.
        case notRunning
        /// What was asked for cannot be started; the code is Docker's exit code for it: 125, 126, 127 or 128.
        case cannotStart(code: Int32)
        /// The shim could not be started, could not be reached, or answered nonsense.
        case failed
    }

    public let kind: Kind
    public let container: String
    /// The cause in words, Docker's where it has some: `exec: "nope": executable file not found in $PATH`.
    public let reason: String

    public init(_ kind: Kind, container: String, _ reason: String) {
        self.kind = kind
        self.container = container
        self.reason = reason
    }

    /// Docker's exit code for a process that could not be started; nil for other failures.
    public var exitCode: Int32? { if case .cannotStart(let code) = kind { code } else { nil } }

    public var description: String { reason }
}
