import LinuxSystem

/// What this process holds, in bytes (proc_pid_status(5)).
struct ProcessMemory {
    /// Now.
    let resident: Int
    /// The most so far.
    let peak: Int

    static func now() throws -> ProcessMemory {
        let text = try Files.text("/proc/self/status")
        func bytes(_ name: String) -> Int {
            let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
            return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) << 10
        }
        return ProcessMemory(resident: bytes("VmRSS"), peak: bytes("VmHWM"))
    }
}
