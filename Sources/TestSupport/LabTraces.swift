import Glibc
import LinuxSystem

/// What a lab leaves on this machine: processes, control groups, namespaces with the links in them, links of the
/// machine's own, mounts and files.
///
/// Made before the lab is. Links live in network namespaces and end with them (network_namespaces(7)), so that `note`,
/// called while the lab is up, is what finds one that something keeps.
public struct LabTraces: Sendable {
    private let lab: String
    /// The links of the machine's own network that are not the lab's.
    private let links: Set<String>
    /// As `/proc/PID/ns` names them: `net:[4026532281]`.
    private var namespaces: Set<String> = []

    public init(of lab: String) {
        self.lab = lab
        links = Self.links()
    }

    /// Remembers the namespaces of the lab's processes, and those that are mounted where such a process sees it.
    public mutating func note() {
        // Those of the machine, and named ones that it had before (ip-netns(8)), which a lab's hosts see too.
        let machine = Set(Self.namespaces(of: getpid()) + Self.mountedNamespaces(of: getpid()))
        for process in Self.processes() where isOfLab(process) {
            namespaces.formUnion(Self.namespaces(of: process))
            namespaces.formUnion(Self.mountedNamespaces(of: process))
        }
        namespaces.subtract(machine)
    }

    /// How many network namespaces were noted.
    public var notedNetworks: Int { namespaces.count { $0.hasPrefix("net:") } }

    /// What is there now, a line for each.
    public func found() -> [String] { found(heldBefore: .max) }

    private func found(heldBefore moment: UInt64) -> [String] {
        processLines() + groupLines() + namespaceLines(heldBefore: moment)
            + Self.links().subtracting(links).sorted().map { "link \($0)" }
            + mountLines()
            + ["/run/martlet-lab/\(lab)", "/run/martlet-lab/\(lab).lock", "/var/lib/martlet-lab/\(lab)"]
            .filter(Files.exists).map { "file \($0)" }
    }

    /// What is left after the lab was taken down: empty as soon as nothing is, else what there is after `limit`. The
    /// kernel ends namespaces after their last process, and gives their numbers to new ones: those of processes that
    /// began since do not count, and other tests' pass.
    public func left(after limit: Duration = .seconds(10)) async throws -> [String] {
        let deadline = ContinuousClock.now + limit
        var now = timespec()
        clock_gettime(CLOCK_BOOTTIME, &now)
        let ticks = UInt64(now.tv_sec * sysconf(Int32(_SC_CLK_TCK)))
        while true {
            let found = found(heldBefore: ticks)
            if found.isEmpty || ContinuousClock.now > deadline { return found }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    // MARK: Processes

    private static func processes() -> [Int32] { ((try? Files.list("/proc")) ?? []).compactMap { Int32($0) } }

    private static func text(_ path: String) -> String { (try? Files.text(path)) ?? "" }

    private static func lines(_ path: String) -> [Substring] { text(path).split(separator: "\n") }

    /// By its control group, or, before it is in one, by its name.
    private func isOfLab(_ process: Int32) -> Bool {
        let group = "martlet-lab-\(lab)"
        let isInGroup = Self.lines("/proc/\(process)/cgroup").contains {
            $0.hasSuffix("/\(group)") || $0.contains("/\(group)/")
        }
        if isInGroup { return true }
        let words = Self.text("/proc/\(process)/cmdline").split(separator: "\0")
        return words.first?.hasPrefix("martlet-lab-") == true && words.contains { $0 == lab }
    }

    private func processLines() -> [String] {
        Self.processes().filter(isOfLab).compactMap { process in
            // A zombie holds nothing: it is gone when its parent has heard of it.
            let status = Self.text("/proc/\(process)/stat")
            guard let name = status.lastIndex(of: ")"), !status[name...].hasPrefix(") Z") else { return nil }
            return "process \(status[...name])"
        }
    }

    // MARK: Control groups

    /// In each hierarchy at its root and in this process's group, wherever it is mounted (cgroups(7)).
    private func groupLines() -> [String] {
        let own = Set(Self.lines("/proc/self/cgroup").compactMap { $0.split(separator: ":").last.map(String.init) })
        return Self.mounts(of: getpid()).filter { $0.type == "cgroup" || $0.type == "cgroup2" }
            .flatMap { mount in own.union(["/"]).map { mount.point + ($0 == "/" ? "" : $0) + "/martlet-lab-\(lab)" } }
            .filter(Files.exists).map { "control group \($0)" }
    }

    // MARK: Mounts

    private struct Mount {
        /// What of the filesystem is mounted: of a namespace, its name.
        var root: String
        var point: String
        var type: Substring
        var line: Substring
    }

    /// proc_pid_mountinfo(5)
    private static func mounts(of process: Int32) -> [Mount] {
        lines("/proc/\(process)/mountinfo").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 6, let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count else { return nil }
            return Mount(root: String(fields[3]), point: String(fields[4]), type: fields[dash + 1], line: line)
        }
    }

    private func mountLines() -> [String] {
        Self.mounts(of: getpid()).filter { ($0.line + "/").contains("martlet-lab/\(lab)/") }.map { "mount \($0.line)" }
    }

    // MARK: Namespaces and links

    private static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 128)
        guard readlink(path, &buffer, buffer.count - 1) > 0 else { return nil }
        return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    private static func namespaces(of process: Int32) -> [String] {
        ["net", "mnt", "pid", "uts", "ipc", "cgroup"].compactMap { link("/proc/\(process)/ns/\($0)") }
    }

    private static func mountedNamespaces(of process: Int32) -> [String] {
        mounts(of: process).filter { $0.type == "nsfs" }.map(\.root)
    }

    /// Who holds a namespace that the lab had: a process in it, a mount of it, or a descriptor. Processes of other labs
    /// do not count, nor those that began later, in clock ticks after the machine's boot.
    private func namespaceLines(heldBefore moment: UInt64) -> [String] {
        guard !namespaces.isEmpty else { return [] }
        var lines: [String] = []
        for process in Self.processes() {
            let isOthers = Self.lines("/proc/\(process)/cgroup").contains { $0.contains("/martlet-lab-") }
            if isOthers, !isOfLab(process) { continue }
            // proc_pid_stat(5), field 22; the name before may hold anything.
            let status = Self.text("/proc/\(process)/stat")
            let fields = status[(status.lastIndex(of: ")") ?? status.startIndex)...].split(separator: " ")
            guard fields.count > 20, let start = UInt64(fields[20]), start <= moment else { continue }
            let descriptors = ((try? Files.list("/proc/\(process)/fd")) ?? []).compactMap {
                Self.link("/proc/\(process)/fd/\($0)")
            }
            let held = Set(
                Self.namespaces(of: process) + Self.mountedNamespaces(of: process) + descriptors
            ).intersection(namespaces)
            lines += held.sorted().map { "namespace \($0), which process \(process) holds" }
        }
        return lines
    }

    private static func links() -> Set<String> { Set((try? Files.list("/sys/class/net")) ?? []) }
}
