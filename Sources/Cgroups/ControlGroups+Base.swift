import Glibc
import LinuxSystem

extension ControlGroups.Hierarchy {
    /// The path of the group beneath which the engine's lie, without a slash at the end; empty for the mount's root.
    public var base: String {
        // sd_booted(3).
        let isSystemds = Files.isDirectory("/run/systemd/system")
        return base(leavesUnits: isSystemds && access(mountPoint, W_OK) == 0)
    }

    /// v2: the root, since a group with processes cannot hand controllers on. v1: this process's own group, whose
    /// limits then hold for the engine's too, but where that is systemd's and the root may be used it is that, as with
    /// Docker: in a unit's group the shims would end with the unit.
    func base(leavesUnits: Bool) -> String {
        if isUnified || ownPath == "/" { return "" }
        let isUnit = ownPath.split(separator: "/").contains { component in
            [".service", ".scope", ".slice"].contains { component.hasSuffix($0) }
        }
        return isUnit && leavesUnits ? "" : ownPath
    }
}
