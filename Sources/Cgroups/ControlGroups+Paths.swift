import RuntimeSpec

extension ControlGroups {
    /// The group that `linux.cgroupsPath` names for the cgroupfs driver (config-linux.md: Cgroups Path; runc's
    /// libcontainer/cgroups/fs): an absolute path lies beneath each hierarchy's mount, a relative one beneath the group
    /// that this process stands in, and without one it is `id` beneath that. Where v2 alone is mounted the group lies
    /// beside this process's own, since a group with processes cannot hand controllers on.
    ///
    /// - Throws: `badPath` for a path that leads upwards or to no group below another, `noHierarchy`.
    public func group(forPath cgroupsPath: String?, id: String) throws(GroupError) -> ControlGroup {
        let path = cgroupsPath.flatMap { $0.isEmpty ? nil : $0 } ?? id
        let components = Self.components(path)
        guard !path.utf8.contains(0) else { throw .badPath(path, reason: "has a null byte") }
        guard !components.contains("..") else { throw .badPath(path, reason: "leads upwards with ..") }
        guard !components.isEmpty else { throw .badPath(path, reason: "is the root") }
        guard !hierarchies.isEmpty else { throw .noHierarchy }
        let name = ContainerPath.relative(components[...])
        return ControlGroup(
            directories: hierarchies.map { hierarchy in
                let own = path.utf8.first == 0x2f ? "" : base(in: hierarchy)
                return .init(controllers: hierarchy.controllers, base: hierarchy.mountPoint + own, name: name)
            })
    }

    /// Where relative paths begin, without a slash at the end; the mount's root where this process stands outside it.
    private func base(in hierarchy: Hierarchy) -> String {
        if hierarchy.ownPath == "/" { return "" }
        var own = Self.components(hierarchy.ownPath)
        if own.contains("..") { return "" }
        if hierarchy.isUnified, isUnifiedOnly, !own.isEmpty { own.removeLast() }
        return own.isEmpty ? "" : ContainerPath.text(own[...])
    }

    private static func components(_ path: String) -> [String] {
        path.utf8.split(separator: 0x2f).compactMap { $0.elementsEqual(".".utf8) ? nil : String(Substring($0)) }
    }
}
