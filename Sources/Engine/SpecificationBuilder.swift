import EngineModel
import JSON
import RuntimeProtocol
import RuntimeSpec
import Values

/// Turns a container's record into what the runtime makes of it. Pure: what depends on the host comes in.
struct SpecificationBuilder {
    /// What the host adds.
    struct Host {
        var paths: ContainerPaths
        var network: NamespaceChoice
        var pid = NamespaceChoice.new
        var ipc = NamespaceChoice.new
        var hostname: String
        /// Mounted over /etc/hostname, /etc/hosts and /etc/resolv.conf, in this order.
        var identityFiles: [String]
        /// Where volumes are, by name.
        var volumePath: (String) -> String
    }

    let record: ContainerRecord
    let host: Host

    /// Docker's paths that a container may not see.
    static let maskedPaths = [
        "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
        "/sys/devices/virtual/powercap",
    ]
    static let readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

    func specification() throws(EngineError) -> ContainerSpecification {
        let wanted = record.host
        var result = ContainerSpecification(
            id: record.id, process: try process(), root: root, hostname: host.hostname,
            cgroup: "martlet/\(record.id)", log: log)
        result.domainname = record.configuration.domainname
        result.mounts = mounts
        result.linux.choose(.network, host.network)
        result.linux.choose(.pid, host.pid)
        result.linux.choose(.ipc, host.ipc)
        if wanted.utsMode == "host" { result.linux.choose(.uts, .host) }
        if wanted.cgroupnsMode == "host" { result.linux.choose(.cgroup, .host) }
        if !wanted.privileged {
            result.linux.maskedPaths = wanted.maskedPaths ?? Self.maskedPaths
            result.linux.readonlyPaths = wanted.readonlyPaths ?? Self.readonlyPaths
        }
        result.devices = (wanted.devices ?? []).map {
            DeviceNode(
                hostPath: $0.pathOnHost, path: $0.pathInContainer.isEmpty ? $0.pathOnHost : $0.pathInContainer,
                access: $0.cgroupPermissions.isEmpty ? "rwm" : $0.cgroupPermissions)
        }
        result.linux.sysctl = wanted.sysctls
        result.resources = Self.limits(wanted)
        result.hasInit = wanted.`init` ?? false
        result.isPrivileged = wanted.privileged
        return result
    }

    private var root: RootFilesystem {
        .overlay(
            lower: record.layers, upper: host.paths.upper, work: host.paths.work,
            isReadOnly: record.host.readonlyRootfs)
    }

    private var log: LogSettings {
        let configuration = record.host.logConfig ?? LogConfiguration()
        var settings = LogSettings(path: configuration.type == "none" ? "" : host.paths.log)
        if let size = configuration.config["max-size"].flatMap({ ByteCount(parsing: $0) }), size.bytes > 0 {
            settings.maximumBytes = size.bytes
        }
        if let count = configuration.config["max-file"].flatMap({ Int($0) }), count > 0 {
            settings.maximumFiles = count
        }
        return settings
    }

    /// The first process.
    private func process() throws(EngineError) -> ProcessSpecification {
        var process = ProcessSpecification(
            try Self.configuration(
                record.command, record.configuration, record.host, hostname: host.hostname,
                capabilities: Self.capabilities(record.host)))
        process.user = UserIdentity(
            name: record.configuration.user, additionalGroups: record.host.groupAdd ?? [])
        if let size = record.host.consoleSize, size.count == 2 {
            process.configuration.consoleSize = .init(height: size[0], width: size[1])
        }
        process.hasInput = record.configuration.openStdin
        process.closesInputAfterFirstClient = record.configuration.stdinOnce
        if record.host.oomScoreAdj != 0 { process.configuration.oomScoreAdj = record.host.oomScoreAdj }
        try Self.apply(record.host, to: &process)
        return process
    }

    /// What the first process and those of `exec` have in common.
    private static func configuration(
        _ command: [String], _ configuration: ContainerConfiguration, _ host: HostConfiguration, hostname: String,
        capabilities: UInt64
    ) throws(EngineError) -> ProcessConfiguration {
        var result = ProcessConfiguration(
            args: command, cwd: configuration.workingDir.isEmpty ? "/" : configuration.workingDir)
        result.env = configuration.environment(hostname: hostname)
        result.terminal = configuration.tty
        result.capabilities = .init(mask: capabilities)
        result.rlimits = try (host.ulimits ?? []).map(limit)
        return result
    }

    /// A process that `exec` runs beside the first.
    static func process(
        _ exec: ExecConfiguration, in record: ContainerRecord, hostname: String
    ) throws(EngineError) -> ProcessSpecification {
        var configuration = record.configuration
        configuration.tty = exec.tty
        configuration.env += exec.env
        if !exec.workingDir.isEmpty { configuration.workingDir = exec.workingDir }
        var process = ProcessSpecification(
            try self.configuration(
                exec.cmd.words, configuration, record.host, hostname: hostname,
                capabilities: exec.privileged ? Capability.all : capabilities(record.host)))
        process.user = UserIdentity(
            name: exec.user.isEmpty ? record.configuration.user : exec.user,
            additionalGroups: record.host.groupAdd ?? [])
        process.hasInput = exec.attachStdin
        process.closesInputAfterFirstClient = true
        try apply(record.host, to: &process)
        if exec.privileged { process.seccomp = .unconfined }
        return process
    }

    static func capabilities(_ host: HostConfiguration) throws(EngineError) -> UInt64 {
        if host.privileged { return Capability.all }
        switch Capability.mask(adding: host.capAdd ?? [], dropping: host.capDrop ?? []) {
        case .success(let mask): return mask
        case .failure(let unknown):
            throw EngineError(.invalidParameter, "invalid capability: \"\(unknown.name)\"")
        }
    }

    /// Reads `HostConfig.SecurityOpt`.
    private static func apply(
        _ host: HostConfiguration, to process: inout ProcessSpecification
    ) throws(EngineError) {
        if host.privileged { process.seccomp = .unconfined }
        for option in host.securityOpt ?? [] {
            let parts = option.split(maxSplits: 1, omittingEmptySubsequences: false) { $0 == "=" || $0 == ":" }
            let value = parts.count > 1 ? String(parts[1]) : ""
            switch parts[0] {
            case "no-new-privileges": process.configuration.noNewPrivileges = value != "false"
            case "seccomp" where value == "unconfined": process.seccomp = .unconfined
            case "seccomp" where value == "builtin": process.seccomp = .dockerDefault
            case "seccomp":
                process.seccomp = .profile(
                    try SeccompProfile(docker: value, capabilities: process.capabilities))
            case "apparmor" where value == "unconfined", "label", "systempaths": break
            default: throw EngineError(.invalidParameter, "invalid --security-opt: \"\(option)\"")
            }
        }
    }

    static func limit(_ ulimit: Ulimit) throws(EngineError) -> ProcessConfiguration.ResourceLimit {
        let type = "RLIMIT_" + ulimit.name.uppercased()
        guard ulimit.name == ulimit.name.lowercased(), ulimit.name != "as",
            ProcessConfiguration.ResourceLimit.number(of: type) != nil
        else {
            throw EngineError(.invalidParameter, "invalid ulimit type: \(ulimit.name)")
        }
        func value(_ number: Int64) -> UInt64 { number < 0 ? .max : UInt64(number) }
        guard value(ulimit.soft) <= value(ulimit.hard) else {
            throw EngineError(
                .invalidParameter,
                "ulimit soft limit must be less than or equal to hard limit: \(ulimit.soft) > "
                    + "\(ulimit.hard)")
        }
        return .init(type: type, soft: value(ulimit.soft), hard: value(ulimit.hard))
    }

    static func limits(_ host: HostConfiguration) -> ResourceLimits {
        var limits = ResourceLimits()
        func some(_ value: Int64) -> Int64? { value > 0 ? value : nil }
        limits.memoryBytes = some(host.memory)
        if host.memorySwap > 0 {
            limits.memoryAndSwapBytes = host.memorySwap
        } else if host.memorySwap == 0, host.memory > 0 {
            limits.memoryAndSwapBytes = host.memory.multipliedReportingOverflow(by: 2).partialValue
        }
        limits.memoryReservationBytes = some(host.memoryReservation)
        limits.cpuShares = some(host.cpuShares)
        if host.nanoCpus > 0 {
            limits.cpuPeriod = 100_000
            limits.cpuQuota = max(1000, host.nanoCpus / 10_000)
        } else {
            limits.cpuPeriod = some(host.cpuPeriod)
            limits.cpuQuota = some(host.cpuQuota)
        }
        limits.cpus = host.cpusetCpus.isEmpty ? nil : host.cpusetCpus
        limits.memoryNodes = host.cpusetMems.isEmpty ? nil : host.cpusetMems
        limits.pids = host.pidsLimit.flatMap(some)
        limits.deviceRules = host.deviceCgroupRules ?? []
        limits.allowsAllDevices = host.privileged
        return limits
    }

    private var mounts: [RuntimeConfiguration.Mount] {
        var own: [RuntimeConfiguration.Mount] = []
        let targets = Set(record.mounts.map(\.destination))
        for (source, target) in zip(host.identityFiles, ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"])
        where !targets.contains(target) {
            own.append(ContainerMountList.bind(source, at: target, isReadOnly: record.host.readonlyRootfs))
        }
        for mount in record.mounts {
            switch mount.type {
            case .tmpfs:
                let words = (mount.tmpfsOptions ?? "").split(separator: ",").map(String.init)
                own.append(
                    .init(
                        destination: mount.destination, type: "tmpfs", source: "tmpfs",
                        options: ["nosuid", "nodev", "noexec"] + words + (mount.rw ? [] : ["ro"])))
            case .bind, .volume:
                let source = mount.type == .volume ? mount.name.map(host.volumePath) ?? mount.source : mount.source
                own.append(
                    ContainerMountList.bind(
                        source, at: mount.destination, isReadOnly: !mount.rw, isRecursive: mount.mode != "norecurse",
                        propagation: mount.propagation.isEmpty ? "rprivate" : mount.propagation))
            }
        }
        let usual =
            record.host.shmSize > 0
            ? ContainerMountList.usual(
                isWritable: record.host.privileged, sharedMemoryBytes: record.host.shmSize)
            : ContainerMountList.usual(isWritable: record.host.privileged)
        return ContainerMountList.merge(own, over: usual)
    }
}
