import LinuxSystem

/// Which hierarchy limits what: the controllers that v1 has mounted, and those that v2 has for the group.
public struct GroupLayout: Hashable, Sendable {
    /// The names of v1's: `memory`, `blkio`, `net_cls`.
    public var legacy: [String]
    /// The names of v2's: `memory`, `io`; nil where v2 is not mounted.
    public var unified: [String]?

    public init(legacy: [String], unified: [String]?) {
        self.legacy = legacy
        self.unified = unified
    }

    /// True where resources are limited by v2 alone.
    public var isUnifiedOnly: Bool { legacy.isEmpty && unified != nil }
}

extension ControlGroup {
    /// The group's controllers as they are now; the group exists.
    public var layout: GroupLayout {
        let legacy = directories.flatMap(\.controllers).filter { !$0.hasPrefix("name=") }
        let unified = unifiedPath.map { path in
            let text = (try? Files.text(path + "/cgroup.controllers")) ?? ""
            return text.utf8.split { $0 == 0x20 || $0 == 0x0a }.map { String(Substring($0)) }
        }
        return GroupLayout(legacy: legacy, unified: unified)
    }
}
