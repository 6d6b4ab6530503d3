import JSON
import RuntimeSpec

extension BundleFixture {
    /// What `spec` prints, with a process and a group of the test's own.
    func defaultConfiguration(_ id: String, _ arguments: [String]) -> RuntimeConfiguration {
        var process = ProcessConfiguration(args: arguments)
        process.terminal = false
        process.user = .init()
        process.env = ["PATH=/bin", "TERM=xterm"]
        process.noNewPrivileges = true
        var capabilities = ProcessConfiguration.Capabilities()
        let kept = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
        capabilities.bounding = kept
        capabilities.effective = kept
        capabilities.permitted = kept
        process.capabilities = capabilities
        process.rlimits = [.init(type: "RLIMIT_NOFILE", soft: 1024, hard: 1024)]

        var linux = LinuxConfiguration()
        linux.namespaces = [.pid, .network, .ipc, .uts, .mount].map { .init($0) }
        linux.cgroupsPath = "/\(groupName)/\(id)"
        var resources = LinuxResources()
        var rule = LinuxResources.DeviceRule(allow: false)
        rule.access = "rwm"
        resources.devices = [rule]
        linux.resources = resources
        linux.maskedPaths = [
            "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
            "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
        ]
        linux.readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

        var configuration = RuntimeConfiguration()
        configuration.root = .init(path: "rootfs")
        configuration.process = process
        configuration.hostname = "box"
        configuration.linux = linux
        configuration.mounts = [
            .init(destination: "/proc", type: "proc", source: "proc"),
            .init(
                destination: "/dev", type: "tmpfs", source: "tmpfs",
                options: ["nosuid", "strictatime", "mode=755", "size=65536k"]),
            .init(
                destination: "/dev/pts", type: "devpts", source: "devpts",
                options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            .init(
                destination: "/dev/shm", type: "tmpfs", source: "shm",
                options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            .init(
                destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"]),
        ]
        return configuration
    }
}

extension RuntimeConfiguration {
    /// Gives the process every set of these capabilities.
    mutating func grant(_ names: [String]) {
        var capabilities = ProcessConfiguration.Capabilities()
        capabilities.bounding = names
        capabilities.effective = names
        capabilities.permitted = names
        process?.capabilities = capabilities
    }

    mutating func add(_ namespace: LinuxConfiguration.NamespaceType, path: String? = nil) {
        remove(namespace)
        linux?.namespaces?.append(.init(namespace, path: path))
    }

    mutating func remove(_ namespace: LinuxConfiguration.NamespaceType) {
        linux?.namespaces?.removeAll { $0.type == namespace }
    }

    mutating func mount(_ source: String, _ destination: String, _ options: [String], type: String = "bind") {
        mounts?.append(.init(destination: destination, type: type, source: source, options: options))
    }
}

/// A value of the specification from the JSON that it has in a `config.json`.
func decoded<Value: JSONReadable>(_ text: String, as type: Value.Type = Value.self) throws -> Value {
    try Value(parsing: Array(text.utf8))
}

/// An object whose members' names are data.
func decoded<Value: JSONReadable>(_ text: String) throws -> [String: Value]? {
    try JSONMembers(["it": JSONValue(parsing: text)]).objectsByName("it")
}
