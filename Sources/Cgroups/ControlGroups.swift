import Glibc
import LinuxSystem
import RuntimeProtocol

/// Where this machine's control group hierarchies are, and where in them this process stands (cgroups(7)).
public struct ControlGroups: Sendable {
    /// One mounted hierarchy.
    public struct Hierarchy: Hashable, Sendable {
        /// Controllers of a v1 hierarchy, `name=…` for one without; empty for v2.
        public var controllers: [String]
        public var mountPoint: String
        /// This process's group in it, beginning with a slash.
        public var ownPath: String

        public var isUnified: Bool { controllers.isEmpty }
    }

    public let hierarchies: [Hierarchy]

    /// Reads the mounts and groups of this process from /proc/self.
    public init() throws(SystemError) {
        try self.init(
            mounts: Files.text("/proc/self/mountinfo"), groups: Files.text("/proc/self/cgroup"))
    }

    /// From the texts of /proc/self/mountinfo (proc(5)) and /proc/self/cgroup (cgroups(7)).
    public init(mounts: String, groups: String) {
        // Without mount points, which the mounts say.
        var own: [Hierarchy] = []
        for line in groups.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let controllers = fields[1].split(separator: ",").map(String.init)
            own.append(Hierarchy(controllers: controllers, mountPoint: "", ownPath: String(fields[2])))
        }
        var found: [Hierarchy] = []
        for line in Array(mounts.utf8).split(separator: 0x0a) where Self.isGroupsMount(line) {
            let fields = String(decoding: line, as: UTF8.self).split(separator: " ")
            guard fields.count >= 10, let separator = fields[6...].firstIndex(of: "-") else { continue }
            guard fields.count > separator + 3 else { continue }
            let options = fields[separator + 3].split(separator: ",")
            var hierarchy: Hierarchy
            switch fields[separator + 1] {
            case "cgroup2":
                hierarchy = own.first(where: \.isUnified) ?? Hierarchy(controllers: [], mountPoint: "", ownPath: "/")
            case "cgroup":
                let given = own.first { own in
                    !own.isUnified && own.controllers.allSatisfy { name in options.contains { $0 == name } }
                }
                guard let given else { continue }
                hierarchy = given
            default: continue
            }
            guard !found.contains(where: { $0.controllers == hierarchy.controllers }) else { continue }
            hierarchy.mountPoint = String(fields[4])
            hierarchy.ownPath = Self.relative(hierarchy.ownPath, to: String(fields[3]))
            found.append(hierarchy)
        }
        hierarchies = found
    }

    /// Whether a line of mountinfo is about a hierarchy: there are many others, which are not looked at any further.
    private static func isGroupsMount(_ line: ArraySlice<UInt8>) -> Bool {
        var rest = line[...]
        while let dash = rest.firstIndex(of: 0x2d) {
            if rest[dash...].starts(with: "- cgroup".utf8) { return true }
            rest = rest[rest.index(after: dash)...]
        }
        return false
    }

    /// A group's path below the mount's root; a mount may show a part of its hierarchy only.
    private static func relative(_ path: String, to root: String) -> String {
        guard root != "/", path.hasPrefix(root) else { return path }
        let rest = String(path.dropFirst(root.count))
        return rest.isEmpty ? "/" : rest
    }

    public var unified: Hierarchy? { hierarchies.first(where: \.isUnified) }

    /// True where resources are limited by v2's controllers.
    public var isUnifiedOnly: Bool { hierarchies.allSatisfy { $0.isUnified || $0.controllers[0].hasPrefix("name=") } }

    /// The group `name` beneath the base of every hierarchy, for what outlives this process.
    public func group(_ name: String) -> ControlGroup {
        ControlGroup(
            directories: hierarchies.map {
                CgroupDirectory(controllers: $0.controllers, base: $0.mountPoint + $0.base, name: name)
            })
    }
}
