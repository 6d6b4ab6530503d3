import Glibc
import LinuxSystem
import RuntimeSpec

/// The mounts of a container that has no mount namespace of its own: they lie on its root in the runtime's, and outlive
/// its processes.
public struct HostMounts: Hashable, Codable, Sendable {
    /// The container's root.
    private let root: String
    /// The mounts that lay on it and are no container's, by number.
    private let before: [Int]

    /// To be made before the container; nil where it has a mount namespace.
    public init?(root: String, _ linux: LinuxConfiguration) throws {
        guard !NamespacePlan(linux).isSeparate(.mount) else { return nil }
        self.root = try Files.realPath(root)
        let present = try Self.mounts(on: self.root).map(\.id)
        // Another container on the same root has its mounts there, and they go when both have ended.
        let used = present.isEmpty ? [] : try Self.roots()
        before = present.filter { !used.contains($0) }
    }

    /// Takes the container's mounts away, with all that is beneath them; nothing there is fine. What another container
    /// stands on stays until that one is removed.
    public func remove() throws {
        var last: Int?
        while let top = try MountInfo.top(at: root, in: Self.mounts(on: root))?.id, top != last,
            !before.contains(top), try !Self.roots().contains(top)
        {
            try Mounts.detach(root)
            last = top
        }
    }

    private static func mounts(on root: String) throws -> [MountInfo] {
        try MountInfo.all().filter { $0.mountPoint == root }
    }

    /// The mounts that processes of this machine have as their root, by number.
    private static func roots() throws -> Set<Int> {
        Set(
            try Files.list("/proc").filter { $0.allSatisfy(\.isNumber) }.compactMap { process in
                // One that is ending has none.
                guard let root = try? Descriptor.open("/proc/\(process)/root", pathOnly),
                    let text = try? Files.text("/proc/self/fdinfo/\(root.rawValue)"),
                    let line = text.split(separator: "\n").first(where: { $0.hasPrefix("mnt_id:") })
                else { return nil }
                return Int(line.dropFirst(7).filter { !$0.isWhitespace })
            })
    }
}
