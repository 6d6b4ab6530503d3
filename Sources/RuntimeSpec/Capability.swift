/// Linux capabilities by number (capabilities(7)).
public enum Capability {
    public static let names = [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
        "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
        "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
        "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
        "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
        "CHECKPOINT_RESTORE",
    ]

    /// All capabilities that are known here.
    public static let all: UInt64 = (1 << UInt64(names.count)) - 1

    /// What Docker gives a container that asks for nothing.
    public static let dockerDefault = mask(of: [
        "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
        "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
    ])

    /// The bit of a name, with `CAP_` before it or without, in any case; nil for an unknown one.
    public static func bit(of name: some StringProtocol) -> UInt64? {
        let upper = name.uppercased()
        let word = upper.hasPrefix("CAP_") ? String(decoding: upper.utf8.dropFirst(4), as: UTF8.self) : upper
        return names.firstIndex(of: word).map { 1 << UInt64($0) }
    }

    static func mask(of names: [String]) -> UInt64 { names.reduce(0) { $0 | (bit(of: $1) ?? 0) } }

    /// Docker's rule for what is added and dropped; `ALL` stands for every one. Returns the first unknown name instead.
    public static func mask(adding: [String], dropping: [String]) -> Result<UInt64, UnknownCapability> {
        func isAll(_ name: String) -> Bool { name.uppercased() == "ALL" || name.uppercased() == "CAP_ALL" }
        var mask = dockerDefault
        if adding.contains(where: isAll) { mask = all }
        if dropping.contains(where: isAll) { mask = 0 }
        for name in dropping where !isAll(name) {
            guard let bit = bit(of: name) else { return .failure(UnknownCapability(name: name)) }
            mask &= ~bit
        }
        for name in adding where !isAll(name) {
            guard let bit = bit(of: name) else { return .failure(UnknownCapability(name: name)) }
            mask |= bit
        }
        return .success(mask)
    }
}

/// A capability that nobody knows.
public struct UnknownCapability: Error, Hashable {
    public let name: String
}
