import CLinux
import LinuxSystem

/// A compiled filter of system calls (seccomp(2)): what a process puts in force for itself before exec.
public struct SeccompFilter: Hashable, Sendable {
    /// Instructions of 8 bytes each, in the machine's byte order (struct sock_filter, linux/filter.h).
    public let instructions: [UInt8]
    /// `SECCOMP_FILTER_FLAG_…` for seccomp(2).
    public let flags: UInt32

    /// The kernel takes so many instructions (BPF_MAXINSNS).
    public static let instructionLimit = 4096
    /// The most bytes that ``bytes`` has.
    public static let byteLimit = 4 + instructionLimit * 8

    static let log: UInt32 = 1 << 1
    static let allowSpeculation: UInt32 = 1 << 2
    static let newListener: UInt32 = 1 << 3
    static let waitKillable: UInt32 = 1 << 5

    init(instructions: [UInt8], flags: UInt32) {
        self.instructions = instructions
        self.flags = flags
    }

    /// Whether some calls are answered by who holds the descriptor that ``load()`` gives.
    public var needsListener: Bool { flags & Self.newListener != 0 }

    /// The filter as it goes from process to process: the flags (4 bytes, the lowest first), then the instructions.
    public var bytes: [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: flags >> ($0 * 8)) } + instructions
    }

    /// Reads what ``bytes`` gave; nil where it is none.
    public init?(bytes: [UInt8]) {
        guard bytes.count > 4, bytes.count <= Self.byteLimit, bytes.count % 8 == 4 else { return nil }
        self.init(
            instructions: Array(bytes[4...]),
            flags: (0..<4).reduce(0) { $0 | UInt32(bytes[$1]) << UInt32($1 * 8) })
    }

    /// Puts the filter in force for the calling thread and all that it starts from now on. Needs CAP_SYS_ADMIN or
    /// no_new_privs, and sets neither.
    ///
    /// - Returns: the descriptor of the filter's notifications, where it has some: it is to reach the listener before
    ///   the thread makes such a call.
    public func load() throws(SystemError) -> Descriptor? {
        let result = try checked("seccomp", cl_seccomp_load(instructions, UInt16(instructions.count / 8), flags))
        return needsListener ? Descriptor(owning: result) : nil
    }
}
