import Cgroups
import Glibc
import LinuxSystem
import RuntimeProtocol

/// The control groups of a lab: one for the lab in each hierarchy, beneath it one for each host and the underlay.
enum HostGroups {
    /// The group in each v2 hierarchy that holds a host's processes: the host's own root stays free of them, so that
    /// controllers can be handed on from it (cgroups(7), "no internal processes").
    static let leaf = "init"

    /// The directories that the group `name` has, whether they are there or not.
    static func directories(_ name: String, _ hierarchies: [ControlGroups.Hierarchy]) -> [String] {
        hierarchies.map { $0.mountPoint + $0.base + "/" + name }
    }

    /// What is to be recorded of a machine's groups before they are made.
    static func machine(_ name: String, in lab: LabPaths, _ hierarchies: [ControlGroups.Hierarchy]) -> MachineState {
        let groups = directories("\(lab.group)/\(name)", hierarchies)
        let files = zip(hierarchies, groups).map { hierarchy, group in
            group + (hierarchy.isUnified ? "/\(leaf)" : "") + "/cgroup.procs"
        }
        return MachineState(name: name, groups: groups, processFiles: files)
    }

    /// Makes a machine's groups with their limits.
    static func create(
        _ machine: MachineState, in lab: LabPaths, limits: LabConfiguration.Limits
    ) throws(SystemError) {
        let group = try ControlGroups().group("\(lab.group)/\(machine.name)")
        try group.create()
        var resources = ResourceLimits()
        resources.allowsAllDevices = true
        resources.memoryBytes = limits.memoryBytes
        if let cpus = limits.cpus {
            resources.cpuPeriod = 100_000
            resources.cpuQuota = Int64(cpus * 100_000)
        }
        try group.apply(resources)
    }

    /// Stops or continues every process of the machine.
    static func setFrozen(_ machine: MachineState, _ isFrozen: Bool) throws {
        if let group = machine.groups.first(where: { Files.exists($0 + "/cgroup.freeze") }) {
            try Files.set(group + "/cgroup.freeze", isFrozen ? "1" : "0")
        } else if let group = machine.groups.first(where: { Files.exists($0 + "/freezer.state") }) {
            try Files.set(group + "/freezer.state", isFrozen ? "FROZEN" : "THAWED")
        } else {
            throw LabError("\(machine.name): this machine has no freezer among its control groups")
        }
    }

    /// Continues every process in the groups and below: what v1's freezer holds cannot be killed.
    static func thaw(_ groups: [String]) {
        for directory in groups.flatMap(tree) {
            try? Files.set(directory + "/cgroup.freeze", "0")
            try? Files.set(directory + "/freezer.state", "THAWED")
        }
    }

    /// Kills what is in the groups and below, and waits until nothing of it lives; false after the limit.
    static func killAll(_ groups: [String], within limit: Duration = .seconds(15)) -> Bool {
        let deadline = ContinuousClock.now + limit
        var seen: Set<ProcessMark> = []
        while true {
            thaw(groups)
            // A process that is ending is no longer listed, but its namespaces live until it has ended.
            seen = seen.union(processes(groups)).filter(\.isAlive)
            if seen.isEmpty { return true }
            for group in groups { try? Files.set(group + "/cgroup.kill", "1") }
            for process in seen { kill(process.pid, SIGKILL) }
            guard ContinuousClock.now < deadline else { return false }
            usleep(5_000)
        }
    }

    /// The processes in the groups and below; zombies do not count, they hold nothing.
    static func processes(_ groups: [String]) -> Set<ProcessMark> {
        var found: Set<ProcessMark> = []
        for directory in groups.flatMap(tree) {
            guard let text = try? Files.text(directory + "/cgroup.procs") else { continue }
            found.formUnion(text.split(separator: "\n").compactMap { Int32($0).flatMap(ProcessMark.init(living:)) })
        }
        return found
    }

    /// The numbers of the processes in the groups, for a message.
    static func list(_ groups: [String]) -> String {
        processes(groups).map { "\($0.pid)" }.sorted().joined(separator: ", ")
    }

    /// Takes the groups and those below away; the directories that are left because something is in them.
    static func remove(_ groups: [String], within limit: Duration = .seconds(5)) -> [String] {
        let deadline = ContinuousClock.now + limit
        var left = groups.flatMap(tree)
        while true {
            left = left.filter { rmdir($0) != 0 && errno != ENOENT }
            if left.isEmpty || ContinuousClock.now > deadline { return left }
            usleep(10_000)
        }
    }

    /// The group's directory and those below it, deepest first; empty where there is none.
    private static func tree(_ directory: String) -> [String] {
        guard Files.isDirectory(directory), let names = try? Files.list(directory) else { return [] }
        return names.map { directory + "/" + $0 }.filter(Files.isDirectory).flatMap(tree) + [directory]
    }
}
