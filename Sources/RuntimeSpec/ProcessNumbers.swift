extension ProcessConfiguration.ResourceLimit {
    /// In the order of the kernel's numbers (asm-generic/resource.h).
    private static let names = [
        "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC",
        "RLIMIT_NOFILE", "RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE",
        "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
    ]

    /// The kernel's number of a limit; nil where it has none of that name.
    public static func number(of name: String) -> Int32? { names.firstIndex(of: name).map(Int32.init) }
}

extension ProcessConfiguration.Scheduler {
    /// sched(7).
    public static let policies: [String: UInt32] = [
        "SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_ISO": 4, "SCHED_IDLE": 5,
        "SCHED_DEADLINE": 6,
    ]

    /// sched_setattr(2).
    public static let flagBits: [String: UInt64] = [
        "SCHED_FLAG_RESET_ON_FORK": 0x01, "SCHED_FLAG_RECLAIM": 0x02, "SCHED_FLAG_DL_OVERRUN": 0x04,
        "SCHED_FLAG_KEEP_POLICY": 0x08, "SCHED_FLAG_KEEP_PARAMS": 0x10, "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
        "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
    ]
}

extension ProcessConfiguration.IOPriority {
    /// ioprio_set(2).
    public static let classes: [String: Int32] = [
        "IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3,
    ]
}

extension ProcessConfiguration.CPUAffinity {
    /// The highest number of a processor that is taken.
    private static let limit = 8191

    /// The processors of a list such as `0-2,4`; nil for what is none.
    public static func processors(_ list: String) -> [Int]? {
        var result: [Int] = []
        for piece in list.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = piece.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first >= 0,
                first <= last, last <= limit
            else { return nil }
            result.append(contentsOf: first...last)
        }
        return result
    }
}
