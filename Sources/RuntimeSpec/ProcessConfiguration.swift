/// A process inside a container: its first, or one of `exec` (config.md: Process).
public struct ProcessConfiguration: Hashable, Sendable, Encodable {
    public var terminal: Bool?
    public var consoleSize: ConsoleSize?
    public var user: User?
    public var args: [String]?
    /// `NAME=value` each.
    public var env: [String]?
    public var cwd: String
    public var capabilities: Capabilities?
    public var rlimits: [ResourceLimit]?
    public var noNewPrivileges: Bool?
    public var apparmorProfile: String?
    public var oomScoreAdj: Int?
    public var scheduler: Scheduler?
    public var selinuxLabel: String?
    public var ioPriority: IOPriority?
    public var execCPUAffinity: CPUAffinity?

    public init(args: [String], cwd: String = "/") {
        self.args = args
        self.cwd = cwd
    }

    /// Characters.
    public struct ConsoleSize: Hashable, Sendable, Encodable {
        public var height: UInt16
        public var width: UInt16

        public init(height: UInt16, width: UInt16) {
            self.height = height
            self.width = width
        }
    }

    public struct User: Hashable, Sendable, Encodable {
        public var uid: UInt32
        public var gid: UInt32
        public var umask: UInt32?
        public var additionalGids: [UInt32]?

        public init(uid: UInt32 = 0, gid: UInt32 = 0) {
            self.uid = uid
            self.gid = gid
        }
    }

    /// The five sets of capabilities(7), by names such as `CAP_CHOWN`.
    public struct Capabilities: Hashable, Sendable, Encodable {
        public var bounding: [String]?
        public var effective: [String]?
        public var inheritable: [String]?
        public var permitted: [String]?
        public var ambient: [String]?

        public init() {}
    }

    /// A limit of setrlimit(2).
    public struct ResourceLimit: Hashable, Sendable, Encodable {
        /// `RLIMIT_NOFILE` and the like.
        public var type: String
        public var soft: UInt64
        public var hard: UInt64

        public init(type: String, soft: UInt64, hard: UInt64) {
            self.type = type
            self.soft = soft
            self.hard = hard
        }
    }

    /// sched_setattr(2).
    public struct Scheduler: Hashable, Sendable, Encodable {
        public var policy: String
        public var nice: Int32?
        public var priority: Int32?
        public var flags: [String]?
        /// Nanoseconds.
        public var runtime: UInt64?
        public var deadline: UInt64?
        public var period: UInt64?
    }

    /// ioprio_set(2).
    public struct IOPriority: Hashable, Sendable, Encodable {
        public var `class`: String
        public var priority: Int32
    }

    /// Processors of an `exec`, before and after it is in the container's group: lists such as `0-2,4`.
    public struct CPUAffinity: Hashable, Sendable, Encodable {
        public var initial: String?
        public var final: String?
    }
}
