/// Whether the kernel has a security module in force, as the host's /proc says it: the container's own files may say
/// anything (lsm(7)).
enum SecurityModules {
    /// Its file system is only there while it is in force (selinux(8)).
    static func hasSELinux(_ proc: borrowing HostProc) -> Bool {
        (try? proc.text("filesystems"))?.split(whereSeparator: \.isWhitespace).contains("selinuxfs") == true
    }

    /// The file is there in every kernel that was built with it, but can only be read while it is in force
    /// (apparmor(7)).
    static func hasAppArmor(_ proc: borrowing HostProc) -> Bool {
        (try? proc.text("self/attr/apparmor/current")) != nil
    }
}
