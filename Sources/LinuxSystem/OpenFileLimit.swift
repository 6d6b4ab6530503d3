import CLinux
import Synchronization

/// How many descriptors this process may have open (getrlimit(2): RLIMIT_NOFILE).
public enum OpenFileLimit {
    /// The soft and the hard limit.
    public struct Values: Hashable, Sendable {
        public var soft: UInt64
        public var hard: UInt64
    }

    private static let number: Int32 = 7
    private static let before = Mutex<Values?>(nil)

    /// What held until `raise`; nil where nothing was raised. Programs that this process starts get the raised one.
    public static var original: Values? { before.withLock { $0 } }

    /// Raises the soft limit to the hard one.
    public static func raise() throws(SystemError) {
        var values = Values(soft: 0, hard: 0)
        try checked("getrlimit", cl_getrlimit(number, &values.soft, &values.hard))
        guard values.soft < values.hard else { return }
        try checked("setrlimit", cl_setrlimit(number, values.hard, values.hard))
        before.withLock { $0 = values }
    }
}
