import LinuxSystem

/// The kernel's security modules (lsm(7)).
enum SecurityModules {
    static func has(_ name: String) -> Bool {
        let text = (try? Files.text("/sys/kernel/security/lsm")) ?? ""
        if text.split(whereSeparator: { $0 == "," || $0.isWhitespace }).contains(Substring(name)) { return true }
        return name == "selinux" && Files.exists("/sys/fs/selinux/enforce")
    }
}
