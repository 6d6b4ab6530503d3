import ArgumentParser
import EngineClient
import JSON

/// `start CONTAINER...`.
struct StartCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "start", abstract: "Starts containers.")

    @Flag(name: .shortAndLong, help: "Stay with it, and end with its exit code.") var attach = false
    @Flag(name: .shortAndLong, help: "Pass on standard input.") var interactive = false
    @Option(name: .customLong("detach-keys"), help: "The keys that leave the container.") var detachKeys: String?
    @Argument(help: "The containers.") var containers: [String]

    func run() async throws {
        guard attach || interactive else {
            return try await each(containers) { name in
                try await engine.json("POST", "/containers/\(EngineClient.escape(name))/start")
                Output.line(name)
            }
        }
        guard containers.count == 1 else {
            throw CommandExit(code: 1, message: "you cannot start and attach multiple containers at once")
        }
        let name = EngineClient.escape(containers[0])
        let container = try await engine.json("GET", "/containers/\(name)/json")
        let hasTerminal = container.at("Config", "Tty")?.bool ?? false
        let attached = AttachedContainer(
            engine: engine, id: container.text("Id"), hasTerminal: hasTerminal,
            takesInput: interactive && container.at("Config", "OpenStdin")?.bool ?? false, detachKeys: detachKeys,
            proxiesSignals: !hasTerminal, isRemoved: container.at("HostConfig", "AutoRemove")?.bool ?? false)
        try await attached.run { try await engine.json("POST", "/containers/\(name)/start") }
    }
}

/// `attach CONTAINER`.
struct AttachCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach", abstract: "Joins this terminal to a running container.")

    @Flag(name: .customLong("no-stdin"), help: "Do not pass on standard input.") var noInput = false
    @Flag(name: .customLong("sig-proxy"), inversion: .prefixedNo, help: "Pass signals on.") var passesSignals = true
    @Option(name: .customLong("detach-keys"), help: "The keys that leave the container.") var detachKeys: String?
    @Argument(help: "The container.") var container: String

    func run() async throws {
        let object = try await engine.json("GET", "/containers/\(EngineClient.escape(container))/json")
        guard object.at("State", "Running")?.bool == true else {
            throw CommandExit(code: 1, message: "cannot attach to a stopped container, start it first")
        }
        guard object.at("State", "Paused")?.bool != true else {
            throw CommandExit(code: 1, message: "cannot attach to a paused container, unpause it first")
        }
        let hasTerminal = object.at("Config", "Tty")?.bool ?? false
        try await AttachedContainer(
            engine: engine, id: object.text("Id"), hasTerminal: hasTerminal,
            takesInput: !noInput && object.at("Config", "OpenStdin")?.bool ?? false, detachKeys: detachKeys,
            proxiesSignals: passesSignals && !hasTerminal
        ).run()
    }
}

/// `stop CONTAINER...`.
struct StopCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Asks containers to end, and ends them after a while.")

    @OptionGroup var options: StopOptions
    @Argument(help: "The containers.") var containers: [String]

    func run() async throws {
        try await each(containers) { name in
            try await engine.json("POST", "/containers/\(EngineClient.escape(name))/stop", query: options.query)
            Output.line(name)
        }
    }
}

/// `restart CONTAINER...`.
struct RestartCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "restart", abstract: "Stops and starts containers.")

    @OptionGroup var options: StopOptions
    @Argument(help: "The containers.") var containers: [String]

    func run() async throws {
        try await each(containers) { name in
            try await engine.json("POST", "/containers/\(EngineClient.escape(name))/restart", query: options.query)
            Output.line(name)
        }
    }
}

/// How containers are asked to end.
struct StopOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "The signal.") var signal: String?
    @Option(
        name: [.customShort("t", allowingJoined: true), .customLong("timeout"), .customLong("time")],
        parsing: .unconditional,
        help: "Seconds until SIGKILL; -1 waits for ever.")
    var seconds: Int?

    var query: [(String, String)] {
        (signal.map { [("signal", $0)] } ?? []) + (seconds.map { [("t", String($0))] } ?? [])
    }
}

/// `kill CONTAINER...`.
struct KillCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "kill", abstract: "Sends containers a signal.")

    @Option(name: .shortAndLong, help: "The signal.") var signal = "KILL"
    @Argument(help: "The containers.") var containers: [String]

    func run() async throws {
        try await each(containers) { name in
            try await engine.json(
                "POST", "/containers/\(EngineClient.escape(name))/kill", query: [("signal", signal)])
            Output.line(name)
        }
    }
}

/// `rm CONTAINER...`.
struct RemoveContainersCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Removes containers.", aliases: ["remove"])

    @Flag(name: .shortAndLong, help: "End them first where they run.") var force = false
    @Flag(name: .shortAndLong, help: "With their anonymous volumes.") var volumes = false
    @Argument(help: "The containers.") var containers: [String]

    func run() async throws {
        let query = (force ? [("force", "1")] : []) + (volumes ? [("v", "1")] : [])
        try await each(containers) { name in
            try await engine.json("DELETE", "/containers/\(EngineClient.escape(name))", query: query)
            Output.line(name)
        }
    }
}

/// `pause CONTAINER...`.
struct PauseCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "pause", abstract: "Holds containers.")

    @Argument(help: "The containers.") var containers: [String]

    func run() async throws {
        try await each(containers) { name in
            try await engine.json("POST", "/containers/\(EngineClient.escape(name))/pause")
            Output.line(name)
        }
    }
}

/// `unpause CONTAINER...`.
struct UnpauseCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "unpause", abstract: "Continues paused containers.")

    @Argument(help: "The containers.") var containers: [String]

    func run() async throws {
        try await each(containers) { name in
            try await engine.json("POST", "/containers/\(EngineClient.escape(name))/unpause")
            Output.line(name)
        }
    }
}

/// `wait CONTAINER...`.
struct WaitCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait", abstract: "Waits until containers end, and prints their exit codes.")

    @Argument(help: "The containers.") var containers: [String]

    func run() async throws {
        try await each(containers) { name in
            let result = try await engine.json("POST", "/containers/\(EngineClient.escape(name))/wait")
            Output.line(String(result.number("StatusCode")))
        }
    }
}

/// `rename CONTAINER NAME`.
struct RenameCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "rename", abstract: "Names a container anew.")

    @Argument(help: "The container.") var container: String
    @Argument(help: "Its new name.") var name: String

    func run() async throws {
        try await engine.json(
            "POST", "/containers/\(EngineClient.escape(container))/rename", query: [("name", name)])
    }
}

/// `update CONTAINER...`.
struct UpdateContainerCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Changes the limits of containers.")

    @OptionGroup var limits: LimitOptions
    @Option(help: "no, on-failure[:N], always or unless-stopped.") var restart: String?
    @Argument(help: "The containers.") var containers: [String]

    func run() async throws {
        var body: JSONValue = [:]
        for (name, value) in try limits.resources() { body[name] = value }
        if let restart { body["RestartPolicy"] = try ResourceFlags.restartPolicy(restart) }
        guard body != [:] else {
            throw CommandExit(code: 1, message: "you must provide one or more flags when using this command")
        }
        try await each(containers) { name in
            let answer = try await engine.json(
                "POST", "/containers/\(EngineClient.escape(name))/update", body: body)
            for warning in answer.texts("Warnings") { Output.error("WARNING: \(warning)") }
            Output.line(name)
        }
    }
}
