import JSON

/// The body of `POST /containers/create` as the flags say it.
enum ContainerBody {
    /// - Parameter isAttached: whether the client stays with the container (`run` without `-d`).
    static func make(
        _ options: ContainerOptions, image: String, command: [String], isAttached: Bool
    ) throws -> JSONValue {
        var body: JSONValue = ["Image": .string(image), "Tty": .bool(options.tty)]
        let streams = try streams(options, isAttached: isAttached)
        body["AttachStdin"] = .bool(streams.input)
        body["AttachStdout"] = .bool(streams.output)
        body["AttachStderr"] = .bool(streams.errors)
        body["OpenStdin"] = .bool(options.interactive)
        body["StdinOnce"] = .bool(options.interactive && streams.input)
        if !command.isEmpty { body["Cmd"] = .strings(command) }
        if let entrypoint = options.entrypoint { body["Entrypoint"] = [.string(entrypoint)] }
        let environment = try Assignments.environment(options.environment, files: options.environmentFiles)
        if !environment.isEmpty { body["Env"] = .strings(environment) }
        let labelLines = try options.labelFiles.flatMap {
            try Assignments.lines(ofFile: $0, flag: "--label-file") { _ in "" }
        }
        let labels = Assignments.dictionary(labelLines + options.labels)
        if !labels.isEmpty { body["Labels"] = .texts(labels) }
        for (name, text) in [
            ("Hostname", options.hostname), ("Domainname", options.domainname), ("User", options.user),
            ("WorkingDir", options.directory), ("StopSignal", options.stopSignal),
        ] {
            if let text { body[name] = .string(text) }
        }
        if let seconds = options.stopTimeout { body["StopTimeout"] = .integer(Int64(seconds)) }
        if options.health.flags.isGiven { body["Healthcheck"] = try options.health.flags.applied() }
        let anonymous = options.volumes.filter { MountFlag.bind($0) == nil }
        if !anonymous.isEmpty {
            body["Volumes"] = .object(Dictionary(anonymous.map { ($0, [:]) }, uniquingKeysWith: { $1 }))
        }
        var host = try hostConfiguration(options)
        try addPorts(options, to: &body, &host)
        try addNetworks(options, to: &body, &host)
        body["HostConfig"] = host
        return body
    }

    private static func streams(
        _ options: ContainerOptions, isAttached: Bool
    ) throws -> (input: Bool, output: Bool, errors: Bool) {
        guard isAttached else { return (false, false, false) }
        if options.attach.isEmpty { return (options.interactive, true, true) }
        for name in options.attach where !["stdin", "stdout", "stderr"].contains(name.lowercased()) {
            throw FlagError("--attach", name, "valid streams are STDIN, STDOUT and STDERR")
        }
        let names = Set(options.attach.map { $0.lowercased() })
        return (names.contains("stdin"), names.contains("stdout"), names.contains("stderr"))
    }

    /// Engine API: HostConfig.
    private static func hostConfiguration(_ options: ContainerOptions) throws -> JSONValue {
        var host: JSONValue = [:]
        func add(_ name: String, _ texts: [String]) { if !texts.isEmpty { host[name] = .strings(texts) } }
        func add(_ name: String, _ text: String?) { if let text { host[name] = .string(text) } }
        func add(_ name: String, _ flag: Bool) { if flag { host[name] = true } }
        let confinement = options.confinement
        add("AutoRemove", options.removes)
        add("ReadonlyRootfs", options.readOnly)
        add("PublishAllPorts", options.publishAll)
        add("Privileged", confinement.privileged)
        add("Init", options.`init`)
        add("Binds", options.volumes.compactMap(MountFlag.bind))
        add("VolumesFrom", options.volumesFrom)
        add("CapAdd", confinement.capabilitiesAdded)
        add("CapDrop", confinement.capabilitiesDropped)
        add("SecurityOpt", confinement.securityOptions)
        add("GroupAdd", options.groups)
        add("Dns", options.dns)
        add("DnsSearch", options.dnsSearch)
        add("DnsOptions", options.dnsOptions)
        add("DeviceCgroupRules", confinement.deviceRules)
        add("PidMode", confinement.pid)
        add("IpcMode", confinement.ipc)
        add("UTSMode", confinement.uts)
        add("CgroupnsMode", confinement.cgroupns)
        add(
            "ExtraHosts",
            try options.hosts.map { text in
                let (name, address) = try ResourceFlags.host(text, flag: "--add-host")
                return "\(name):\(address)"
            })
        if !options.mounts.isEmpty { host["Mounts"] = .array(try options.mounts.map { try MountFlag.mount($0) }) }
        if !options.tmpfs.isEmpty {
            host["Tmpfs"] = .texts(
                Dictionary(options.tmpfs.map(MountFlag.tmpfs).map { ($0.path, $0.options) }, uniquingKeysWith: { $1 }))
        }
        if !confinement.sysctl.isEmpty { host["Sysctls"] = .texts(Assignments.dictionary(confinement.sysctl)) }
        if !confinement.ulimit.isEmpty {
            host["Ulimits"] = .array(try confinement.ulimit.map { try ResourceFlags.ulimit($0) })
        }
        if !confinement.device.isEmpty {
            host["Devices"] = .array(try confinement.device.map(ResourceFlags.device))
        }
        if let size = confinement.shmSize { host["ShmSize"] = .integer(try NumberFlag.bytes(size, flag: "--shm-size")) }
        add("OomKillDisable", confinement.oomKillDisable)
        if let score = confinement.oomScore { host["OomScoreAdj"] = .integer(Int64(score)) }
        if let restart = options.restart { host["RestartPolicy"] = try ResourceFlags.restartPolicy(restart) }
        if options.logDriver != nil || !options.logOptions.isEmpty {
            host["LogConfig"] = [
                "Type": .string(options.logDriver ?? ""), "Config": .texts(Assignments.dictionary(options.logOptions)),
            ]
        }
        for (name, value) in try options.limits.resources() { host[name] = value }
        return host
    }

    private static func addPorts(
        _ options: ContainerOptions, to body: inout JSONValue, _ host: inout JSONValue
    ) throws {
        var bindings: [String: [JSONValue]] = [:]
        var exposed: [String: JSONValue] = [:]
        for text in options.publish {
            for (key, binding) in try PublishFlag(parsing: text).bindings {
                bindings[key, default: []].append(binding)
                exposed[key] = [:]
            }
        }
        for text in options.expose {
            guard !text.contains(":") else { throw FlagError("--expose", text, "invalid port format for --expose") }
            for (key, _) in try PublishFlag(parsing: text, flag: "--expose").bindings { exposed[key] = [:] }
        }
        if !exposed.isEmpty { body["ExposedPorts"] = .object(exposed) }
        if !bindings.isEmpty { host["PortBindings"] = .object(bindings.mapValues { .array($0) }) }
    }

    private static func addNetworks(
        _ options: ContainerOptions, to body: inout JSONValue, _ host: inout JSONValue
    ) throws {
        var networks = try options.networks.map(ResourceFlags.network)
        let hasOwn = !options.aliases.isEmpty || options.ip != nil || options.macAddress != nil
        if networks.isEmpty, hasOwn { networks = [("default", [:])] }
        guard let first = networks.first else { return }
        host["NetworkMode"] = .string(first.name)
        if !options.aliases.isEmpty {
            networks[0].endpoint["Aliases"] = .strings(first.endpoint.texts("Aliases") + options.aliases)
        }
        if let ip = options.ip { networks[0].endpoint.set("IPAMConfig", "IPv4Address", to: .string(ip)) }
        if let address = options.macAddress { networks[0].endpoint["MacAddress"] = .string(address) }
        if networks.count > 1 || networks[0].endpoint != [:] {
            body["NetworkingConfig"] = [
                "EndpointsConfig": .object(
                    Dictionary(networks.map { ($0.name, $0.endpoint) }, uniquingKeysWith: { $1 }))
            ]
        }
    }
}
