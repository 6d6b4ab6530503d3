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

    /// How long all processes may take to stop, as runc has it, and to go on again, nanoseconds.
    static let freezeLimit: Int64 = 10_000_000_000
    static let thawLimit: Int64 = 1_000_000_000

    /// Stops or continues every process; returns when the kernel says that it has taken hold. Always by v2's freezer
    /// where there is one: what v1's holds cannot be killed. Continues what v1's holds too.
    ///
    /// - Throws: ETIMEDOUT where it has not within `freezeLimit` or `thawLimit`, as where a group above is frozen. What
    ///   could not be frozen is thawed again.
    public func setFrozen(_ isFrozen: Bool) throws(SystemError) {
        try setFrozen(isFrozen, within: isFrozen ? Self.freezeLimit : Self.thawLimit)
    }

    func setFrozen(_ isFrozen: Bool, within limit: Int64) throws(SystemError) {
        if !isFrozen { thawLegacy() }
        if let unifiedPath, Files.exists(unifiedPath + "/cgroup.freeze") {
            try FreezerFile(path: unifiedPath + "/cgroup.freeze", frozen: "1", thawed: "0").set(
                isFrozen, within: limit, seenIn: unifiedPath + "/cgroup.events", as: isFrozen ? "frozen 1" : "frozen 0")
        } else if let path = path("freezer") {
            let file = path + "/freezer.state"
            try FreezerFile(path: file, frozen: "FROZEN", thawed: "THAWED").set(
                isFrozen, within: limit, seenIn: file, as: isFrozen ? "FROZEN" : "THAWED")
        } else {
            throw SystemError("freeze", "no cgroup freezer", errno: ENOTSUP)
        }
    }
}

/// The file by which a group is frozen, and its two texts.
private struct FreezerFile {
    var path: String
    var frozen: String
    var thawed: String

    /// The pause between two tries, microseconds.
    private static let pause: UInt32 = 1000

    func set(
        _ isFrozen: Bool, within limit: Int64, seenIn file: String, as sign: String
    ) throws(SystemError) {
        let deadline = Clock.sinceBoot() + limit
        do throws(SystemError) {
            repeat {
                // Again each time: v1's freezer may miss processes that appear meanwhile.
                try Files.set(path, isFrozen ? frozen : thawed)
                if try Files.text(file).split(separator: "\n").contains(Substring(sign)) { return }
                usleep(Self.pause)
            } while Clock.sinceBoot() < deadline
            throw SystemError(isFrozen ? "freeze" : "thaw", path, errno: ETIMEDOUT)
        } catch {
            if isFrozen { try? Files.set(path, thawed) }
            throw error
        }
    }
}
