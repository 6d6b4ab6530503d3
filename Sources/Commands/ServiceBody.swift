import JSON

/// Specifications of services as the flags say them (Engine API: ServiceSpec).
enum ServiceBody {
    /// Lays the flags that `create` and `update` share over a specification.
    static func apply(_ options: ServiceOptions, to spec: inout JSONValue) throws {
        try applyContainer(options, to: &spec)
        try applyResources(options, to: &spec)
        try applyRestart(options, to: &spec)
        try applyMode(options, to: &spec)
        if let count = options.replicasPerNode {
            spec.set("TaskTemplate", "Placement", "MaxReplicas", to: .integer(Int64(clamping: count)))
        }
        if options.update.flags.isGiven {
            spec["UpdateConfig"] = try options.update.flags.applied(to: spec["UpdateConfig"])
        }
        if options.rollback.flags.isGiven {
            spec["RollbackConfig"] = try options.rollback.flags.applied(to: spec["RollbackConfig"])
        }
        if let mode = options.endpointMode {
            guard ["vip", "dnsrr"].contains(mode) else { throw FlagError("--endpoint-mode", mode, "use vip or dnsrr") }
            spec.set("EndpointSpec", "Mode", to: .string(mode))
        }
        if options.logDriver != nil || !options.logOptions.isEmpty {
            var driver = spec.at("TaskTemplate", "LogDriver") ?? [:]
            if let name = options.logDriver { driver["Name"] = .string(name) }
            if !options.logOptions.isEmpty { driver["Options"] = .texts(Assignments.dictionary(options.logOptions)) }
            spec.set("TaskTemplate", "LogDriver", to: driver)
        }
    }

    private static func applyContainer(_ options: ServiceOptions, to spec: inout JSONValue) throws {
        var container = spec.at("TaskTemplate", "ContainerSpec") ?? [:]
        if let entrypoint = options.entrypoint {
            container["Command"] = .strings(try ShellWords.split(entrypoint, flag: "--entrypoint"))
        }
        for (name, text) in [
            ("Hostname", options.hostname), ("User", options.user), ("Dir", options.directory),
            ("StopSignal", options.stopSignal),
        ] {
            if let text { container[name] = .string(text) }
        }
        if let flag = options.tty { container["TTY"] = .bool(flag) }
        if let flag = options.readOnly { container["ReadOnly"] = .bool(flag) }
        if let flag = options.`init` { container["Init"] = .bool(flag) }
        if options.health.flags.isGiven {
            container["Healthcheck"] = try options.health.flags.applied(to: container["Healthcheck"])
        }
        if let grace = options.stopGrace {
            container["StopGracePeriod"] = .integer(try DurationText.parse(grace, flag: "--stop-grace-period"))
        }
        for (given, member, other) in [
            (options.capabilitiesAdded, "CapabilityAdd", "CapabilityDrop"),
            (options.capabilitiesDropped, "CapabilityDrop", "CapabilityAdd"),
        ] where !given.isEmpty {
            let names = given.map(capability)
            let others = container.texts(other).filter { !names.contains($0) }
            container[other] = others.isEmpty ? .none : .strings(others)
            container[member] = .strings(container.texts(member).filter { !names.contains($0) } + names)
        }
        spec.set("TaskTemplate", "ContainerSpec", to: container)
    }

    /// `net_admin` as `CAP_NET_ADMIN`.
    private static func capability(_ name: String) -> String {
        let upper = name.uppercased()
        return upper == "ALL" || upper.hasPrefix("CAP_") ? upper : "CAP_" + upper
    }

    private static func applyResources(_ options: ServiceOptions, to spec: inout JSONValue) throws {
        for (kind, cpu, memory, flag) in [
            ("Limits", options.limitCPU, options.limitMemory, "--limit"),
            ("Reservations", options.reserveCPU, options.reserveMemory, "--reserve"),
        ] {
            if let cpu {
                let count = try NumberFlag.nanoCPUs(cpu, flag: flag + "-cpu")
                spec.set("TaskTemplate", "Resources", kind, "NanoCPUs", to: .integer(count))
            }
            if let memory {
                let bytes = try NumberFlag.bytes(memory, flag: flag + "-memory")
                spec.set("TaskTemplate", "Resources", kind, "MemoryBytes", to: .integer(bytes))
            }
        }
        if let pids = options.limitPids {
            spec.set("TaskTemplate", "Resources", "Limits", "Pids", to: .integer(pids))
        }
    }

    private static func applyRestart(_ options: ServiceOptions, to spec: inout JSONValue) throws {
        func set(_ name: String, _ value: JSONValue) { spec.set("TaskTemplate", "RestartPolicy", name, to: value) }
        if let condition = options.restartCondition {
            guard ["none", "on-failure", "any"].contains(condition) else {
                throw FlagError("--restart-condition", condition, "use none, on-failure or any")
            }
            set("Condition", .string(condition))
        }
        if let delay = options.restartDelay {
            set("Delay", .integer(try DurationText.parse(delay, flag: "--restart-delay")))
        }
        if let attempts = options.restartAttempts { set("MaxAttempts", .integer(Int64(clamping: attempts))) }
        if let window = options.restartWindow {
            set("Window", .integer(try DurationText.parse(window, flag: "--restart-window")))
        }
    }

    private static func applyMode(_ options: ServiceOptions, to spec: inout JSONValue) throws {
        guard let replicas = options.replicas else { return }
        let count = JSONValue.integer(Int64(clamping: replicas))
        if spec.at("Mode", "ReplicatedJob") != nil {
            spec.set("Mode", "ReplicatedJob", "TotalCompletions", to: count)
        } else if spec.at("Mode", "Global") != nil || spec.at("Mode", "GlobalJob") != nil {
            throw CommandExit(code: 1, message: "replicas can only be used with replicated or replicated-job mode")
        } else {
            spec.set("Mode", "Replicated", "Replicas", to: count)
        }
    }

    /// `replicated`, `global`, `replicated-job`, `global-job` (Engine API: ServiceSpec, Mode).
    static func mode(_ text: String, _ options: ServiceOptions) throws(FlagError) -> JSONValue {
        switch text {
        case "replicated": return ["Replicated": ["Replicas": 1]]
        case "global": return ["Global": [:]]
        case "replicated-job":
            let concurrent = Int64(clamping: options.maxConcurrent ?? 1)
            return ["ReplicatedJob": ["MaxConcurrent": .integer(concurrent), "TotalCompletions": 1]]
        case "global-job": return ["GlobalJob": [:]]
        default:
            throw FlagError("--mode", text, "use replicated, global, replicated-job or global-job")
        }
    }

    /// `spread=node.labels.zone` (Engine API: TaskSpec, Placement, Preferences).
    static func preference(_ text: String, flag: String = "--placement-pref") throws(FlagError) -> JSONValue {
        guard text.hasPrefix("spread="), text.count > 7 else {
            throw FlagError(flag, text, "write spread=node.labels.NAME or spread=engine.labels.NAME")
        }
        return ["Spread": ["SpreadDescriptor": .string(String(text.dropFirst(7)))]]
    }

    /// A network of a service (Engine API: NetworkAttachmentConfig), by its name still.
    static func network(_ text: String) throws(FlagError) -> JSONValue {
        let (name, endpoint) = try ResourceFlags.network(text)
        var value: JSONValue = ["Target": .string(name)]
        if let aliases = endpoint["Aliases"] { value["Aliases"] = aliases }
        if let options = endpoint["DriverOpts"] { value["DriverOpts"] = options }
        return value
    }
}

/// Splitting a line into words as a shell does, without expansions.
enum ShellWords {
    static func split(_ text: String, flag: String) throws(FlagError) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var isEscaped = false
        for character in text {
            if isEscaped {
                word = (word ?? "") + String(character)
                isEscaped = false
            } else if character == "\\", quote != "'" {
                isEscaped = true
            } else if let open = quote {
                if character == open { quote = nil } else { word = (word ?? "") + String(character) }
            } else if character == "'" || character == "\"" {
                quote = character
                word = word ?? ""
            } else if character.isWhitespace {
                if let complete = word { words.append(complete) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        guard quote == nil, !isEscaped else { throw FlagError(flag, text, "a quotation does not end") }
        if let complete = word { words.append(complete) }
        return words
    }
}
