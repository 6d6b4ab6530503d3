import LinuxSystem
import RuntimeSpec

/// The mounts of a container that has no mount namespace of its own: they lie on its root in the runtime's, and outlive
/// its processes.
public struct HostMounts: Hashable, Codable, Sendable {
    /// The container's root.
    private let root: String
    /// How many mounts lay on it before the container's.
    private let before: Int

    /// To be made before the container; nil where it has a mount namespace.
    public init?(root: String, _ linux: LinuxConfiguration) throws {
        guard !NamespacePlan(linux).isSeparate(.mount) else { return nil }
        self.root = root
        before = try Self.count(on: root)
    }

    private static func count(on root: String) throws -> Int {
        try Files.text("/proc/self/mountinfo").split(separator: "\n").count { line in
            let fields = line.split(separator: " ")
            return fields.count > 4 && fields[4] == root
        }
    }

    /// Takes the container's mounts away, with all that is beneath them; nothing there is fine.
    public func remove() throws {
        if try Self.count(on: root) > before { try Mounts.detach(root) }
    }
}
