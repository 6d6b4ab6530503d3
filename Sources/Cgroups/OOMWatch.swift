import CLinux
import Glibc
import LinuxSystem

/// Tells when the kernel is out of memory for a group, by a descriptor that can be polled: v1's eventfd for
/// memory.oom_control (the kernel's Documentation/admin-guide/cgroup-v1/memory.rst: OOM Control), v2's changes of
/// memory.events (cgroup-v2.rst).
public struct OOMWatch: ~Copyable, Sendable {
    public enum Event: Hashable, Sendable {
        /// Memory ran out; how many processes the kernel has killed since the last answer. 0 where v1's group does not
        /// kill, or has not yet.
        case outOfMemory(kills: Int64)
        /// v1's group is gone, or no process is left in v2's: nothing more will come.
        case ended
    }

    private let descriptor: Descriptor
    private let group: ControlGroup
    private let legacyPath: String?
    private let populationFile: String?
    private var kills: Int64

    /// Readable when `next` may have something to tell. It belongs to this value.
    public var rawValue: Int32 { descriptor.rawValue }

    /// - Throws: ENOTSUP where the group has no controller of memory.
    init(_ group: ControlGroup) throws(SystemError) {
        self.group = group
        legacyPath = group.path("memory")
        populationFile = legacyPath == nil ? group.unifiedPath.map { $0 + "/cgroup.events" } : nil
        // From before the watch: a kill between the two is told once, not never.
        kills = group.oomKills()
        descriptor = try Self.watch(group)
    }

    private static func watch(_ group: ControlGroup) throws(SystemError) -> Descriptor {
        if let path = group.path("memory") { return try watch(legacy: path) }
        if let path = group.unifiedPath, Files.exists(path + "/memory.events") {
            return try watch([path + "/memory.events", path + "/cgroup.events"])
        }
        throw SystemError("watch memory", "no cgroup controller memory for this group", errno: ENOTSUP)
    }

    private static func watch(legacy path: String) throws(SystemError) -> Descriptor {
        let result = Descriptor(owning: try checked("eventfd", cl_eventfd()))
        let control = try Descriptor.open(path + "/memory.oom_control", O_RDONLY)
        try Files.set(path + "/cgroup.event_control", "\(result.rawValue) \(control.rawValue)")
        return result
    }

    private static func watch(_ files: [String]) throws(SystemError) -> Descriptor {
        let result = Descriptor(owning: try checked("inotify_init1", cl_inotify_create()))
        for file in files {
            try checked("inotify_add_watch", on: file, cl_inotify_watch(result.rawValue, file))
        }
        return result
    }

    /// What has happened since the last call; nil where that is nothing. Does not block.
    public mutating func next() -> Event? {
        let bytes = (try? Bytes.read(descriptor.rawValue, upTo: 4096)) ?? []
        let now = group.oomKills()
        let new = now - kills
        if new > 0 {
            kills = now
            return .outOfMemory(kills: new)
        }
        if let legacyPath {
            // The end of the group is told in the same way.
            guard Files.exists(legacyPath + "/memory.oom_control") else { return .ended }
            return bytes.isEmpty ? nil : .outOfMemory(kills: 0)
        }
        guard let populationFile else { return nil }
        guard let text = try? Files.text(populationFile) else { return .ended }
        // A group that nobody has joined yet says nothing.
        return !bytes.isEmpty && text.split(separator: "\n").contains("populated 0") ? .ended : nil
    }
}

extension ControlGroup {
    /// Begins to watch for want of memory; the group exists.
    public func watchOOM() throws(SystemError) -> OOMWatch { try OOMWatch(self) }
}
