/// Which system calls a process may make (seccomp(2)); what no rule allows fails with `defaultErrno`.
public struct SeccompProfile: Hashable, Sendable, Codable {
    /// A condition on an argument of a call.
    public struct Argument: Hashable, Sendable, Codable {
        public enum Comparison: String, Sendable, Codable {
            case equal, notEqual, less, greater, maskedEqual
        }

        public var index: UInt32
        public var comparison: Comparison
        public var value: UInt64
        /// For `maskedEqual`: what the masked argument must be; `value` is the mask.
        public var maskedValue: UInt64

        public init(index: UInt32, comparison: Comparison, value: UInt64, maskedValue: UInt64 = 0) {
            self.index = index
            self.comparison = comparison
            self.value = value
            self.maskedValue = maskedValue
        }
    }

    public enum Action: Hashable, Sendable, Codable {
        case allow
        case errno(Int32)
    }

    public struct Rule: Hashable, Sendable, Codable {
        public var calls: [String]
        public var action: Action
        /// All must hold, unless several are about one argument: then one of those suffices.
        public var arguments: [Argument]

        public init(_ calls: [String], action: Action = .allow, arguments: [Argument] = []) {
            self.calls = calls
            self.action = action
            self.arguments = arguments
        }
    }

    public var defaultErrno: Int32
    public var rules: [Rule]

    public init(defaultErrno: Int32, rules: [Rule]) {
        self.defaultErrno = defaultErrno
        self.rules = rules
    }
}

/// What filters a process's system calls.
public enum SeccompChoice: Hashable, Sendable, Codable {
    case unconfined
    /// Docker's default for the capabilities that the process holds.
    case dockerDefault
    case profile(SeccompProfile)
}
