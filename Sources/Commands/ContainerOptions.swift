import ArgumentParser
import JSON

/// The flags of `run` and `create`.
struct ContainerOptions: ParsableArguments {
    @Option(help: "The container's name.") var name: String?
    @Flag(name: .shortAndLong, help: "Keep standard input open.") var interactive = false
    @Flag(name: .shortAndLong, help: "Give it a terminal.") var tty = false
    @Option(
        name: [.customShort("a"), .long], parsing: .unconditionalSingleValue,
        help: "Attach to stdin, stdout or stderr.")
    var attach: [String] = []
    @Flag(name: .customLong("rm"), help: "Remove the container and its anonymous volumes when it ends.")
    var removes = false

    @Option(
        name: [.customShort("e", allowingJoined: true), .customLong("env")], parsing: .unconditionalSingleValue,
        help: "An environment variable, NAME=VALUE; NAME alone takes this one's.")
    var environment: [String] = []
    @Option(name: .customLong("env-file"), parsing: .unconditionalSingleValue, help: "A file of environment variables.")
    var environmentFiles: [String] = []
    @Option(
        name: [.customShort("l"), .customLong("label")], parsing: .unconditionalSingleValue,
        help: "A label, NAME=VALUE.")
    var labels: [String] = []
    @Option(name: .customLong("label-file"), parsing: .unconditionalSingleValue, help: "A file of labels.")
    var labelFiles: [String] = []
    @Option(name: [.customShort("h"), .long], parsing: .unconditional, help: "Its host name.") var hostname: String?
    @Option(parsing: .unconditional, help: "Its domain name.") var domainname: String?
    @Option(name: [.customShort("u"), .long], parsing: .unconditional, help: "User and group, by name or number.")
    var user: String?
    @Option(name: [.customShort("w"), .customLong("workdir")], parsing: .unconditional, help: "The working directory.")
    var directory: String?
    @Option(parsing: .unconditional, help: "Replaces the image's entrypoint.") var entrypoint: String?
    @Option(name: .customLong("group-add"), parsing: .unconditionalSingleValue, help: "A further group.")
    var groups: [String] = []

    @Option(
        name: [.customShort("v", allowingJoined: true), .customLong("volume")], parsing: .unconditionalSingleValue,
        help: "A volume or a path of the host: [source:]target[:options].")
    var volumes: [String] = []
    @Option(
        name: .customLong("mount"), parsing: .unconditionalSingleValue,
        help: "type=bind|volume|tmpfs,source=...,target=...")
    var mounts: [String] = []
    @Option(parsing: .unconditionalSingleValue, help: "A file system in memory: PATH[:OPTIONS].") var tmpfs: [String] =
        []
    @Option(name: .customLong("volumes-from"), parsing: .unconditionalSingleValue, help: "Mounts of another container.")
    var volumesFrom: [String] = []
    @Flag(name: .customLong("read-only"), help: "Mount its root file system read-only.") var readOnly = false

    @Option(
        name: [.customShort("p", allowingJoined: true), .long], parsing: .unconditionalSingleValue,
        help: "Publish a port: [[address:]port:]port[/protocol].")
    var publish: [String] = []
    @Flag(name: [.customShort("P"), .customLong("publish-all")], help: "Publish every exposed port.")
    var publishAll = false
    @Option(parsing: .unconditionalSingleValue, help: "Expose a port or a range of them.") var expose: [String] = []
    @Option(
        name: [.customLong("network"), .customLong("net")], parsing: .unconditionalSingleValue,
        help: "A network, or host, none, container:NAME.")
    var networks: [String] = []
    @Option(
        name: [.customLong("network-alias"), .customLong("net-alias")], parsing: .unconditionalSingleValue,
        help: "A further name in its network.")
    var aliases: [String] = []
    @Option(help: "Its IPv4 address.") var ip: String?
    @Option(name: .customLong("mac-address"), help: "Its MAC address.") var macAddress: String?
    @Option(parsing: .unconditionalSingleValue, help: "A DNS server.") var dns: [String] = []
    @Option(name: .customLong("dns-search"), parsing: .unconditionalSingleValue, help: "A DNS search domain.")
    var dnsSearch: [String] = []
    @Option(
        name: [.customLong("dns-option"), .customLong("dns-opt")], parsing: .unconditionalSingleValue,
        help: "An option of the DNS resolver.")
    var dnsOptions: [String] = []
    @Option(
        name: .customLong("add-host"), parsing: .unconditionalSingleValue, help: "A line of /etc/hosts, name:address.")
    var hosts: [String] = []

    @OptionGroup var limits: LimitOptions
    @OptionGroup var confinement: ConfinementOptions
    @OptionGroup var health: HealthOptions

    @Option(help: "no, on-failure[:N], always or unless-stopped.") var restart: String?
    @Option(name: .customLong("stop-signal"), help: "The signal that asks it to end.") var stopSignal: String?
    @Option(name: .customLong("stop-timeout"), parsing: .unconditional, help: "Seconds from that signal to SIGKILL.")
    var stopTimeout: Int?
    @Flag(help: "Run an init process that reaps and forwards signals.") var `init` = false
    @Option(name: .customLong("log-driver"), help: "Where its output is kept.") var logDriver: String?
    @Option(name: .customLong("log-opt"), parsing: .unconditionalSingleValue, help: "An option of the log driver.")
    var logOptions: [String] = []
    @Option(name: .customLong("cidfile"), help: "Write the container's identifier into this file.") var idFile: String?
    @Option(help: "When to pull the image: always, missing or never.") var pull = "missing"
    @Option(help: "The platform of the image.") var platform: String?
    @Option(help: "Accepted for docker's sake.") var runtime: String?
    @Flag(name: .shortAndLong, help: "Do not say what is pulled.") var quiet = false
}

/// Limits on what a container may use.
struct LimitOptions: ParsableArguments {
    @Option(name: [.customShort("m"), .long], parsing: .unconditional, help: "Memory, 512m.") var memory: String?
    @Option(name: .customLong("memory-swap"), parsing: .unconditional, help: "Memory and swap; -1 is without limit.")
    var memorySwap: String?
    @Option(name: .customLong("memory-reservation"), parsing: .unconditional, help: "Memory's soft limit.")
    var memoryReservation: String?
    @Option(parsing: .unconditional, help: "Processors, 1.5.") var cpus: String?
    @Option(name: [.customShort("c"), .customLong("cpu-shares")], parsing: .unconditional, help: "Relative weight.")
    var cpuShares: Int?
    @Option(name: .customLong("cpu-period"), parsing: .unconditional, help: "The CFS period in microseconds.")
    var cpuPeriod: Int?
    @Option(name: .customLong("cpu-quota"), parsing: .unconditional, help: "The CFS quota in microseconds.")
    var cpuQuota: Int?
    @Option(name: .customLong("cpuset-cpus"), help: "Which processors, 0-3,7.") var cpusetCPUs: String?
    @Option(name: .customLong("cpuset-mems"), help: "Which memory nodes.") var cpusetMemory: String?
    @Option(name: .customLong("pids-limit"), parsing: .unconditional, help: "Processes; -1 is without limit.")
    var pids: Int?

    /// Engine API: Resources; only what was given.
    func resources() throws -> [(String, JSONValue)] {
        var members: [(String, JSONValue)] = []
        if let memory { members.append(("Memory", .integer(try NumberFlag.bytes(memory, flag: "--memory")))) }
        if let memoryReservation {
            members.append(
                (
                    "MemoryReservation",
                    .integer(try NumberFlag.bytes(memoryReservation, flag: "--memory-reservation"))
                ))
        }
        if let memorySwap {
            let bytes = memorySwap == "-1" ? -1 : try NumberFlag.bytes(memorySwap, flag: "--memory-swap")
            members.append(("MemorySwap", .integer(bytes)))
        }
        if let cpus { members.append(("NanoCpus", .integer(try NumberFlag.nanoCPUs(cpus, flag: "--cpus")))) }
        for (name, number) in [
            ("CpuShares", cpuShares), ("CpuPeriod", cpuPeriod), ("CpuQuota", cpuQuota), ("PidsLimit", pids),
        ] {
            if let number { members.append((name, .integer(Int64(number)))) }
        }
        if let cpusetCPUs { members.append(("CpusetCpus", .string(cpusetCPUs))) }
        if let cpusetMemory { members.append(("CpusetMems", .string(cpusetMemory))) }
        return members
    }
}

/// What a container may do.
struct ConfinementOptions: ParsableArguments {
    @Flag(help: "Give it every capability and device.") var privileged = false
    @Option(name: .customLong("cap-add"), parsing: .unconditionalSingleValue, help: "A further capability, or ALL.")
    var capabilitiesAdded: [String] = []
    @Option(name: .customLong("cap-drop"), parsing: .unconditionalSingleValue, help: "A capability to take, or ALL.")
    var capabilitiesDropped: [String] = []
    @Option(
        name: .customLong("security-opt"), parsing: .unconditionalSingleValue, help: "seccomp=..., no-new-privileges.")
    var securityOptions: [String] = []
    @Option(parsing: .unconditionalSingleValue, help: "A kernel parameter, name=value.") var sysctl: [String] = []
    @Option(parsing: .unconditionalSingleValue, help: "A process limit, name=soft[:hard].") var ulimit: [String] = []
    @Option(parsing: .unconditionalSingleValue, help: "A device of the host: /dev/x[:/dev/y[:rwm]].")
    var device: [String] = []
    @Option(name: .customLong("device-cgroup-rule"), parsing: .unconditionalSingleValue, help: "A rule for devices.")
    var deviceRules: [String] = []
    @Option(help: "The PID namespace: host or container:NAME.") var pid: String?
    @Option(help: "The IPC namespace: private, host, ...") var ipc: String?
    @Option(help: "The UTS namespace: host.") var uts: String?
    @Option(help: "The cgroup namespace: private or host.") var cgroupns: String?
    @Option(name: .customLong("shm-size"), parsing: .unconditional, help: "The size of /dev/shm.") var shmSize: String?
    @Flag(name: .customLong("oom-kill-disable"), help: "Do not kill it when memory is short.") var oomKillDisable =
        false
    @Option(name: .customLong("oom-score-adj"), parsing: .unconditional, help: "-1000 to 1000.") var oomScore: Int?
}

/// How its health is probed.
struct HealthOptions: ParsableArguments {
    @Option(name: .customLong("health-cmd"), parsing: .unconditional, help: "The probe, for a shell.")
    var command: String?
    @Option(name: .customLong("health-interval"), parsing: .unconditional, help: "Between two probes, 10s.")
    var interval: String?
    @Option(name: .customLong("health-timeout"), parsing: .unconditional, help: "How long a probe may take.")
    var timeout: String?
    @Option(name: .customLong("health-retries"), parsing: .unconditional, help: "Failures in a row that count.")
    var retries: Int?
    @Option(
        name: .customLong("health-start-period"), parsing: .unconditional,
        help: "While it starts, failures do not count.")
    var startPeriod: String?
    @Option(name: .customLong("health-start-interval"), parsing: .unconditional, help: "Between probes meanwhile.")
    var startInterval: String?
    @Flag(name: .customLong("no-healthcheck"), help: "Ignore the image's health check.") var isOff = false

    var flags: HealthFlags {
        HealthFlags(
            command: command, interval: interval, timeout: timeout, retries: retries, startPeriod: startPeriod,
            startInterval: startInterval, isOff: isOff)
    }
}
