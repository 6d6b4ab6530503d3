import ArgumentParser
import EngineClient
import JSON

/// `martlet swarm`.
struct SwarmCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swarm", abstract: "The cluster that this host belongs to.",
        subcommands: [
            SwarmAuthorityCommand.self, SwarmInitCommand.self, SwarmJoinCommand.self, SwarmTokenCommand.self,
            SwarmLeaveCommand.self, SwarmUnlockCommand.self, SwarmUnlockKeyCommand.self, SwarmUpdateCommand.self,
        ])
}

/// The settings of a cluster that `init` and `update` share.
struct SwarmSettings: ParsableArguments {
    @Option(name: .customLong("task-history-limit"), parsing: .unconditional, help: "Ended tasks kept for a place.")
    var taskHistory: Int?
    @Option(name: .customLong("cert-expiry"), parsing: .unconditional, help: "How long nodes' certificates hold.")
    var certificateExpiry: String?
    @Option(name: .customLong("dispatcher-heartbeat"), parsing: .unconditional, help: "Between signs of life of nodes.")
    var heartbeat: String?
    @Option(name: .customLong("snapshot-interval"), parsing: .unconditional, help: "Log entries between snapshots.")
    var snapshotInterval: Int?
    @Option(name: .customLong("max-snapshots"), parsing: .unconditional, help: "Further snapshots to keep.")
    var snapshots: Int?

    /// Lays the flags over a specification (Engine API: SwarmSpec).
    func apply(to spec: inout JSONValue) throws {
        if let count = taskHistory {
            spec.set("Orchestration", "TaskHistoryRetentionLimit", to: .integer(Int64(count)))
        }
        if let text = certificateExpiry {
            spec.set("CAConfig", "NodeCertExpiry", to: .integer(try DurationText.parse(text, flag: "--cert-expiry")))
        }
        if let text = heartbeat {
            spec.set(
                "Dispatcher", "HeartbeatPeriod",
                to: .integer(try DurationText.parse(text, flag: "--dispatcher-heartbeat")))
        }
        if let count = snapshotInterval { spec.set("Raft", "SnapshotInterval", to: .integer(Int64(count))) }
        if let count = snapshots { spec.set("Raft", "KeepOldSnapshots", to: .integer(Int64(count))) }
    }
}

/// Where a node is reached.
struct SwarmAddresses: ParsableArguments {
    @Option(name: .customLong("listen-addr"), help: "Where to listen for other hosts, address:port.")
    var listen = "0.0.0.0:2377"
    @Option(name: .customLong("advertise-addr"), help: "The address that other hosts use.") var advertise: String?
    @Option(name: .customLong("data-path-addr"), help: "The address for the traffic of overlay networks.")
    var dataPath: String?
    @Option(help: "active, pause or drain.") var availability = "active"

    /// What init and join send alike.
    func body() throws -> JSONValue {
        guard ["active", "pause", "drain"].contains(availability.lowercased()) else {
            throw FlagError("--availability", availability, "use active, pause or drain")
        }
        return [
            "ListenAddr": .string(listen), "AdvertiseAddr": .string(advertise ?? ""),
            "DataPathAddr": .string(dataPath ?? ""), "Availability": .string(availability.lowercased()),
        ]
    }
}

/// `swarm init`.
struct SwarmInitCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "init", abstract: "Makes this host a cluster's first.")

    @OptionGroup var addresses: SwarmAddresses
    @OptionGroup var settings: SwarmSettings
    @Option(name: .customLong("data-path-port"), help: "The UDP port of overlay networks.") var dataPathPort: UInt16 = 0
    @Option(name: .customLong("default-addr-pool"), parsing: .unconditionalSingleValue, help: "A pool for subnets.")
    var pools: [String] = []
    @Option(name: .customLong("default-addr-pool-mask-length"), help: "The prefix length of subnets.")
    var subnetSize = 24
    @Flag(name: .customLong("force-new-cluster"), help: "Make a cluster anew from this host's state.")
    var forceNew = false
    @Flag(help: "Lock managers with a key.") var autolock = false

    /// Engine API: SwarmInitRequest.
    func body() throws -> JSONValue {
        var body = try addresses.body()
        body["DataPathPort"] = .integer(Int64(dataPathPort))
        if !pools.isEmpty {
            body["DefaultAddrPool"] = .strings(pools.flatMap { $0.split(separator: ",").map(String.init) })
        }
        body["SubnetSize"] = .integer(Int64(subnetSize))
        body["ForceNewCluster"] = .bool(forceNew)
        var spec: JSONValue = [:]
        try settings.apply(to: &spec)
        if autolock { spec.set("EncryptionConfig", "AutoLockManagers", to: true) }
        body["Spec"] = spec
        return body
    }

    func run() async throws {
        let node = try await engine.json("POST", "/swarm/init", body: try body()).string ?? ""
        Output.line("Swarm initialized: current node (\(node)) is now a manager.\n")
        try await SwarmTokens.showJoin(engine, role: "worker")
        Output.line(
            "To add a manager to this swarm, run 'martlet swarm join-token manager' and follow the instructions.\n")
        if autolock { try await SwarmUnlockKeyCommand.show(engine) }
    }
}

/// The tokens by which hosts join.
enum SwarmTokens {
    static func token(_ engine: EngineClient, role: String) async throws -> String {
        let swarm = try await engine.json("GET", "/swarm")
        return swarm.at("JoinTokens", role == "manager" ? "Manager" : "Worker")?.string ?? ""
    }

    /// Prints the command that a host joins with.
    static func showJoin(_ engine: EngineClient, role: String) async throws {
        let token = try await token(engine, role: role)
        let swarm = try await engine.json("GET", "/info")["Swarm"] ?? [:]
        let own = swarm.list("RemoteManagers").first { $0.text("NodeID") == swarm.text("NodeID") }
        let address = own?.text("Addr") ?? "\(swarm.text("NodeAddr")):2377"
        Output.line("To add a \(role) to this swarm, run the following command:\n")
        Output.line("    martlet swarm join --token \(token) \(address)\n")
    }
}

/// `swarm join --token TOKEN HOST:PORT`.
struct SwarmJoinCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "join", abstract: "Makes this host one of a cluster.")

    @OptionGroup var addresses: SwarmAddresses
    @Option(help: "The token of the role, from 'swarm join-token'.") var token: String
    @Argument(help: "A manager, address:port.") var manager: String

    func run() async throws {
        var body = try addresses.body()
        body["RemoteAddrs"] = [.string(manager)]
        body["JoinToken"] = .string(token)
        try await engine.json("POST", "/swarm/join", body: body)
        let isManager = try await engine.json("GET", "/info").at("Swarm", "ControlAvailable")?.bool ?? false
        Output.line("This node joined a swarm as a \(isManager ? "manager" : "worker").")
    }
}

/// `swarm join-token worker|manager`.
struct SwarmTokenCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "join-token", abstract: "Shows how hosts join, and makes tokens anew.")

    @Flag(name: .shortAndLong, help: "Only the token.") var quiet = false
    @Flag(help: "Make the token anew.") var rotate = false
    @Argument(help: "worker or manager.") var role: String

    func run() async throws {
        guard role == "worker" || role == "manager" else {
            throw CommandExit(code: 1, message: "unknown role \(role)")
        }
        if rotate {
            let swarm = try await engine.json("GET", "/swarm")
            try await engine.json(
                "POST", "/swarm/update",
                query: [
                    ("version", String(swarm["Version"]?.number("Index") ?? 0)),
                    (role == "manager" ? "rotateManagerToken" : "rotateWorkerToken", "true"),
                ], body: swarm["Spec"] ?? [:])
            if !quiet { Output.line("Successfully rotated \(role) join token.\n") }
        }
        if quiet { return Output.line(try await SwarmTokens.token(engine, role: role)) }
        try await SwarmTokens.showJoin(engine, role: role)
    }
}

/// `swarm leave`.
struct SwarmLeaveCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "leave", abstract: "Takes this host out of its cluster.")

    @Flag(name: .shortAndLong, help: "Even a manager, and the last one.") var force = false

    func run() async throws {
        try await engine.json("POST", "/swarm/leave", query: force ? [("force", "1")] : [])
        Output.line("Node left the swarm.")
    }
}

/// `swarm update`.
struct SwarmUpdateCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "update", abstract: "Changes a cluster's settings.")

    @OptionGroup var settings: SwarmSettings
    @Flag(inversion: .prefixedNo, help: "Lock managers with a key.") var autolock: Bool?

    func run() async throws {
        let swarm = try await engine.json("GET", "/swarm")
        var spec = swarm["Spec"] ?? [:]
        try settings.apply(to: &spec)
        if let autolock { spec.set("EncryptionConfig", "AutoLockManagers", to: .bool(autolock)) }
        guard spec != swarm["Spec"] ?? [:] else {
            throw CommandExit(code: 1, message: "nothing to change: see 'martlet swarm update --help'")
        }
        try await engine.json(
            "POST", "/swarm/update", query: [("version", String(swarm["Version"]?.number("Index") ?? 0))], body: spec)
        Output.line("Swarm updated.")
        if autolock == true { try await SwarmUnlockKeyCommand.show(engine) }
    }
}

/// `swarm unlock-key`.
struct SwarmUnlockKeyCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "unlock-key", abstract: "Shows the key that unlocks managers, and makes it anew.")

    @Flag(name: .shortAndLong, help: "Only the key.") var quiet = false
    @Flag(help: "Make the key anew.") var rotate = false

    func run() async throws {
        if rotate {
            let swarm = try await engine.json("GET", "/swarm")
            guard swarm.at("Spec", "EncryptionConfig", "AutoLockManagers") == true else {
                throw CommandExit(code: 1, message: "cannot rotate because autolock is not turned on")
            }
            try await engine.json(
                "POST", "/swarm/update",
                query: [
                    ("version", String(swarm["Version"]?.number("Index") ?? 0)), ("rotateManagerUnlockKey", "true"),
                ], body: swarm["Spec"] ?? [:])
            if !quiet { Output.line("Successfully rotated manager unlock key.\n") }
        }
        if quiet { return Output.line(try await Self.key(engine)) }
        try await Self.show(engine)
    }

    private static func key(_ engine: EngineClient) async throws -> String {
        let key = try await engine.json("GET", "/swarm/unlockkey").text("UnlockKey")
        guard !key.isEmpty else { throw CommandExit(code: 1, message: "no unlock key is set") }
        return key
    }

    /// Says what the key is for.
    static func show(_ engine: EngineClient) async throws {
        Output.line("To unlock a manager after it restarts, run 'martlet swarm unlock' there and enter this key:\n")
        Output.line("    \(try await key(engine))\n")
        Output.line("Keep it where it outlives the managers: without it they cannot be started again.")
    }
}

/// `swarm unlock`.
struct SwarmUnlockCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "unlock", abstract: "Unlocks this manager; reads the key from the terminal or the input.")

    func run() async throws {
        let isTerminal = TerminalMode.isInput
        let restore = isTerminal ? TerminalMode.hideInput() : nil
        if isTerminal { Output.error("Unlock key: ") }
        let key = readLine() ?? ""
        restore?()
        try await engine.json("POST", "/swarm/unlock", body: ["UnlockKey": .string(key)])
    }
}

/// `swarm ca`.
struct SwarmAuthorityCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca", abstract: "Shows the certificate that a cluster trusts.")

    func run() async throws {
        let swarm = try await engine.json("GET", "/swarm")
        let certificate = swarm.at("TLSInfo", "TrustRoot")?.string ?? ""
        Output.text(certificate.hasSuffix("\n") ? certificate : certificate + "\n")
    }
}
