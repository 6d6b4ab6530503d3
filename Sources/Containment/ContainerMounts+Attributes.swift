import CLinux
import Glibc
import RuntimeSpec

/// The words of a mount as the kernel's bits (mount_setattr(2)).
extension ContainerMounts {
    /// Gives a mount the attributes that its words ask for; a new one has those that are set already.
    static func change(_ tree: Int32, _ words: MountWords, isNew: Bool = false) throws {
        for (set, clear, isRecursive) in [
            (words.set, words.clear, false), (words.setRecursively, words.clearRecursively, true),
        ] where !set.isEmpty || !clear.isEmpty && !(isNew && !isRecursive) {
            var cleared = bits(clear.subtracting(.accessTimes))
            if !set.isDisjoint(with: .accessTimes) || !clear.isDisjoint(with: .accessTimes) {
                cleared |= Int(CL_ATTR_ATIME_MASK)
            }
            try MountTree.change(tree, set: bits(set), clear: cleared, recursive: isRecursive)
        }
    }

    static func bits(_ attributes: MountWords.Attributes) -> Int {
        let table: [(MountWords.Attributes, Int)] = [
            (.readOnly, Int(CL_ATTR_RDONLY)), (.noSuid, Int(CL_ATTR_NOSUID)), (.noDevices, Int(CL_ATTR_NODEV)),
            (.noExec, Int(CL_ATTR_NOEXEC)), (.noAccessTime, Int(CL_ATTR_NOATIME)),
            (.strictAccessTime, Int(CL_ATTR_STRICTATIME)), (.noDirectoryAccessTime, Int(CL_ATTR_NODIRATIME)),
            (.noSymlinkFollow, Int(CL_ATTR_NOSYMFOLLOW)),
        ]
        return table.reduce(0) { attributes.contains($1.0) ? $0 | $1.1 : $0 }
    }

    static func bits(_ propagation: MountWords.Propagation) -> Int {
        switch propagation {
        case .private: Int(CL_MS_PRIVATE)
        case .slave: Int(CL_MS_SLAVE)
        case .shared: Int(CL_MS_SHARED)
        case .unbindable: Int(CL_MS_UNBINDABLE)
        }
    }
}
