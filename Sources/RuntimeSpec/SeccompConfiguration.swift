/// A filter of system calls (config-linux.md: Seccomp; seccomp(2)).
public struct SeccompConfiguration: Hashable, Sendable, Encodable {
    public var defaultAction: Action
    public var defaultErrnoRet: UInt32?
    /// `SCMP_ARCH_X86_64` and the like; the machine's own where nil.
    public var architectures: [String]?
    /// `SECCOMP_FILTER_FLAG_…`.
    public var flags: [String]?
    /// A socket that gets the descriptor of the filter's notifications.
    public var listenerPath: String?
    public var listenerMetadata: String?
    public var syscalls: [Rule]?

    public init(defaultAction: Action) { self.defaultAction = defaultAction }

    public enum Action: String, Hashable, Sendable, Codable, CaseIterable {
        case killThread = "SCMP_ACT_KILL_THREAD"
        case kill = "SCMP_ACT_KILL"
        case killProcess = "SCMP_ACT_KILL_PROCESS"
        case trap = "SCMP_ACT_TRAP"
        case errno = "SCMP_ACT_ERRNO"
        case trace = "SCMP_ACT_TRACE"
        case allow = "SCMP_ACT_ALLOW"
        case log = "SCMP_ACT_LOG"
        case notify = "SCMP_ACT_NOTIFY"
    }

    public struct Rule: Hashable, Sendable, Encodable {
        public var names: [String]
        public var action: Action
        public var errnoRet: UInt32?
        /// All must hold, unless several are about one argument: then one of those suffices.
        public var args: [Argument]?

        public init(_ names: [String], _ action: Action, errnoRet: UInt32? = nil, args: [Argument]? = nil) {
            self.names = names
            self.action = action
            self.errnoRet = errnoRet
            self.args = args
        }
    }

    public struct Argument: Hashable, Sendable, Encodable {
        public var index: UInt32
        public var value: UInt64
        /// For `maskedEqual`: what the masked argument must be; `value` is the mask.
        public var valueTwo: UInt64?
        public var op: Operator

        public init(index: UInt32, value: UInt64, valueTwo: UInt64? = nil, op: Operator) {
            self.index = index
            self.value = value
            self.valueTwo = valueTwo
            self.op = op
        }
    }

    public enum Operator: String, Hashable, Sendable, Codable, CaseIterable {
        case notEqual = "SCMP_CMP_NE"
        case less = "SCMP_CMP_LT"
        case lessOrEqual = "SCMP_CMP_LE"
        case equal = "SCMP_CMP_EQ"
        case greaterOrEqual = "SCMP_CMP_GE"
        case greater = "SCMP_CMP_GT"
        case maskedEqual = "SCMP_CMP_MASKED_EQ"
    }
}
