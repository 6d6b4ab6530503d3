import Glibc
import LinuxSystem

extension ControlGroup {
    /// Whether the group is frozen or about to be, by v2's freezer or v1's: a paused container.
    public var isFrozen: Bool {
        if let unifiedPath, Self.number(unifiedPath + "/cgroup.freeze") == 1 { return true }
        return isFrozenByLegacy
    }

    /// `FREEZING` and `FROZEN` (the kernel's Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst).
    private var isFrozenByLegacy: Bool {
        guard let path = path("freezer"), let text = try? Files.text(path + "/freezer.state") else { return false }
        return text.hasPrefix("FR")
    }

    /// Lets go of what v1's freezer holds, if it holds something.
    func thawLegacy() {
        guard isFrozenByLegacy, let path = path("freezer") else { return }
        try? Files.set(path + "/freezer.state", "THAWED")
    }

    /// Stops or continues every process; returns when the kernel says that it has taken hold, or after a second. Always
    /// by v2's freezer where there is one: what v1's holds cannot be killed. Continues what v1's holds too.
    public func setFrozen(_ isFrozen: Bool) throws(SystemError) {
        let file: String
        let done: (String) -> Bool
        if let unifiedPath, Files.exists(unifiedPath + "/cgroup.freeze") {
            try Files.set(unifiedPath + "/cgroup.freeze", isFrozen ? "1" : "0")
            if !isFrozen { thawLegacy() }
            file = unifiedPath + "/cgroup.events"
            done = { $0.contains(isFrozen ? "frozen 1" : "frozen 0") }
        } else if let path = path("freezer") {
            try Files.set(path + "/freezer.state", isFrozen ? "FROZEN" : "THAWED")
            file = path + "/freezer.state"
            done = { $0.hasPrefix(isFrozen ? "FROZEN" : "THAWED") }
        } else {
            throw SystemError("freeze", "no cgroup freezer", errno: ENOTSUP)
        }
        let deadline = Clock.sinceBoot() + 1_000_000_000
        while !done(try Files.text(file)), Clock.sinceBoot() < deadline { usleep(1000) }
    }
}
