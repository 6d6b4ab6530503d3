import CLinux
import Cgroups
import Glibc
import LinuxSystem
import Values

/// What the first process of a host or of the underlay does, step by step, before it serves (`CLab`'s operations).
struct HostPlan: Sendable {
    private(set) var operations: [[String]] = []

    private mutating func add(_ operation: String...) { operations.append(operation) }

    private mutating func mount(
        _ source: String, _ target: String, type: String = "", flags: Int = 0, data: String = ""
    ) { add("mount", source, target, type, "\(flags)", data) }

    private mutating func bind(_ source: String, _ target: String) {
        mount(source, target, flags: CL_MS_BIND | CL_MS_REC)
    }

    private mutating func set(_ path: String, _ value: String) {
        if Files.exists(path) { add("write", path, value) }
    }

    /// As `CLab` reads it: the length as eight digits, then operations and arguments, each ended by a zero byte.
    func serialized() -> [UInt8] {
        var body: [UInt8] = []
        for operation in operations { for word in operation { body += Array(word.utf8) + [0] } }
        let length = String(body.count)
        return Array((String(repeating: "0", count: max(0, 8 - length.utf8.count)) + length).utf8) + body
    }

    /// The underlay: a network namespace whose hosts' bridge is made once its process waits.
    static func underlay(_ state: LabState) -> HostPlan {
        var plan = HostPlan()
        for file in state.underlay.processFiles { plan.add("join", file) }
        plan.add("unshare", "\(CL_CLONE_NEWNET)")
        plan.add("fork")
        plan.add("await")
        plan.set("/proc/sys/net/ipv4/ip_forward", "1")
        plan.set("/proc/sys/net/ipv6/conf/all/forwarding", "1")
        // What leads out of the lab is refused at once, each time; with limits most attempts run into a timeout.
        plan.set("/proc/sys/net/ipv4/icmp_ratelimit", "0")
        plan.set("/proc/sys/net/ipv4/icmp_msgs_per_sec", "100000")
        plan.set("/proc/sys/net/ipv4/icmp_msgs_burst", "10000")
        plan.set("/proc/sys/net/ipv6/icmp/ratelimit", "0")
        for name in ["iptables", "ip6tables", "arptables"] {
            plan.set("/proc/sys/net/bridge/bridge-nf-call-\(name)", "0")
        }
        plan.add("serve")
        return plan
    }

    /// A host: all its namespaces, then its own view of the filesystem.
    ///
    /// - Parameters:
    ///   - mountPoints: the machine's mounts, of which the host shall not keep those that its own hide.
    static func host(
        _ host: MachineState, of state: LabState, paths: LabPaths, hierarchies: [ControlGroups.Hierarchy],
        mountPoints: [String]
    ) -> HostPlan {
        var plan = HostPlan()
        let name = host.name
        plan.add("log", paths.host(name))
        for group in host.groups { plan.add("join", group + "/cgroup.procs") }
        let namespaces =
            CL_CLONE_NEWNS | CL_CLONE_NEWUTS | CL_CLONE_NEWIPC | CL_CLONE_NEWNET | CL_CLONE_NEWPID
            | CL_CLONE_NEWCGROUP
        plan.add("unshare", "\(namespaces)")
        // Below the namespace's root, so that v2's controllers can be handed on from it.
        for file in host.processFiles where !host.groups.contains(Files.parent(of: file)) {
            plan.add("mkdir", Files.parent(of: file))
            plan.add("join", file)
        }
        plan.add("fork")
        plan.add("await")
        plan.add("hostname", name)
        plan.mount("none", "/", flags: CL_MS_PRIVATE | CL_MS_REC)
        plan.addFiles(name, state, paths, mountPoints)
        plan.addKernelFilesystems(hierarchies)
        plan.add("serve")
        return plan
    }

    /// /etc, data, programs, /run and /tmp. Everything is shown in its place before a mount hides where it comes from.
    private mutating func addFiles(_ name: String, _ state: LabState, _ paths: LabPaths, _ mountPoints: [String]) {
        let stage = paths.stage(name)
        mount("tmpfs", stage, type: "tmpfs", flags: CL_MS_NOSUID, data: "mode=755")
        for file in ["hosts", "hostname", "resolv.conf"] {
            guard let real = Self.realPath("/etc/" + file) else { continue }
            let source = "\(paths.host(name))/etc/\(file)"
            if real.hasPrefix("/run/"), let text = try? Files.text(source) {
                // A link into /run, as systemd-resolved makes it: the file goes into the host's own.
                var directory = stage
                for part in real.split(separator: "/").dropFirst().dropLast() {
                    directory += "/" + part
                    add("mkdir", directory)
                }
                add("write", "\(stage)/\(real.dropFirst(5))", text)
            } else {
                bind(source, real)
            }
        }
        for directory in ["/martlet", "/lock", "/lab", "/lab/bin"] { add("mkdir", stage + directory) }
        bind(paths.hostRun(name), stage + "/martlet")
        bind(state.programs, stage + "/lab/bin")
        bind(paths.data(name), "/var/lib/martlet")
        for mountPoint in mountPoints.reversed() {
            let isHidden = ["/run/", "/tmp/"].contains { mountPoint.hasPrefix($0) }
            if isHidden, !(stage + "/").hasPrefix(mountPoint + "/") { add("umount", mountPoint) }
        }
        mount("tmpfs", "/tmp", type: "tmpfs", flags: CL_MS_NOSUID, data: "mode=1777")
        mount(stage, "/run", flags: CL_MS_MOVE)
        mount("tmpfs", "/dev/shm", type: "tmpfs", flags: CL_MS_NOSUID, data: "mode=1777")
    }

    private static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// /proc, /sys and the control groups where the machine has them, each showing the host's own group as its root.
    private mutating func addKernelFilesystems(_ hierarchies: [ControlGroups.Hierarchy]) {
        let quiet = CL_MS_NOSUID | CL_MS_NODEV | CL_MS_NOEXEC
        mount("proc", "/proc", type: "proc", flags: quiet)
        mount("sysfs", "/sys", type: "sysfs", flags: quiet)
        if !hierarchies.contains(where: { $0.mountPoint == "/sys/fs/cgroup" }) {
            mount("tmpfs", "/sys/fs/cgroup", type: "tmpfs", flags: quiet, data: "mode=755")
        }
        for hierarchy in hierarchies.sorted(by: { $0.mountPoint < $1.mountPoint }) {
            if hierarchy.mountPoint.hasPrefix("/sys/fs/cgroup/") { add("mkdir", hierarchy.mountPoint) }
            if hierarchy.isUnified {
                mount("cgroup2", hierarchy.mountPoint, type: "cgroup2", flags: quiet)
            } else {
                let isNamed = hierarchy.controllers[0].hasPrefix("name=")
                let options = (isNamed ? ["none"] : []) + hierarchy.controllers
                mount(
                    "cgroup", hierarchy.mountPoint, type: "cgroup", flags: quiet,
                    data: options.joined(separator: ","))
            }
        }
    }
}
