import EngineClient
import Glibc
import JSON
import Lab
import LinuxSystem
import TestSupport
import Testing
import Values

/// A lab with a swarm, and the words the tests use for it.
struct Cluster: Sendable {
    let lab: RunningLab

    /// The one of the suite that runs: ``ClusterLab`` makes it.
    @TaskLocal static var current: Cluster?

    static func required(sourceLocation: SourceLocation = #_sourceLocation) throws -> Cluster {
        try #require(current, "the suite has no lab", sourceLocation: sourceLocation)
    }

    // MARK: Programs

    /// Where martletd and its companions lie: beside the tests, or where MARTLET_BIN says.
    static let programs: String? = {
        let given = getenv("MARTLET_BIN").map { String(cString: $0) }
        let directory = given ?? TestEnvironment.buildDirectory
        let names = ["martlet", "martletd", "martlet-net", "martlet-runtime"]
        return names.allSatisfy { access(directory + "/" + $0, X_OK) == 0 } ? directory : nil
    }()

    static func program(_ name: String) -> String? { programs.map { $0 + "/" + name } }

    static var canRun: Bool {
        if programs == nil {
            print("skipped: cluster tests, whose programs are not beside the tests nor in MARTLET_BIN")
        }
        return TestEnvironment.isRoot && programs != nil
    }

    // MARK: Commands

    /// Runs a command line client against a host.
    func run(
        _ client: ClusterClient, on host: String = "h1", _ arguments: [String], within limit: Duration = .seconds(60)
    ) async throws -> Command {
        try await Command.run(
            [try #require(client.path)] + arguments, environment: environment(host), within: limit)
    }

    private func environment(_ host: String) throws -> [String] {
        ["DOCKER_HOST=unix://\(try lab.host(host).socketPath)", "DOCKER_CONFIG=/nonexistent"]
    }

    func run(_ client: ClusterClient, on host: String = "h1", _ arguments: String...) async throws -> Command {
        try await run(client, on: host, arguments)
    }

    func run(on host: String = "h1", _ arguments: String...) async throws -> Command {
        try await run(.any, on: host, arguments)
    }

    /// The same where it has to succeed; its output without surrounding white space.
    @discardableResult
    func output(
        _ client: ClusterClient, on host: String = "h1", _ arguments: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        try await checked(client, host, arguments, sourceLocation)
    }

    @discardableResult
    func output(
        on host: String = "h1", _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        try await checked(.any, host, arguments, sourceLocation)
    }

    private func checked(
        _ client: ClusterClient, _ host: String, _ arguments: [String], _ sourceLocation: SourceLocation
    ) async throws -> String {
        let result = try await run(client, on: host, arguments, within: .seconds(90))
        try #require(
            result.succeeded,
            "\(client) \(arguments): \(result.code) \(result.errorOutput) \(result.output.suffix(300))",
            sourceLocation: sourceLocation)
        return Self.trimmed(result.output)
    }

    /// The words of a refusal, where there has to be one.
    func refusal(
        _ client: ClusterClient, on host: String = "h1", _ arguments: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let result = try await run(client, on: host, arguments)
        #expect(!result.succeeded, "\(client) \(arguments) succeeded", sourceLocation: sourceLocation)
        return result.errorOutput
    }

    func refusal(
        on host: String = "h1", _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let result = try await run(.any, on: host, arguments)
        #expect(!result.succeeded, "\(arguments) succeeded", sourceLocation: sourceLocation)
        return result.errorOutput
    }

    /// The lines of what is meant for people, with their white space as single spaces.
    func words(
        _ client: ClusterClient, on host: String = "h1", _ arguments: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> [String] {
        try await checked(client, host, arguments, sourceLocation).split(separator: "\n").map {
            $0.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
    }

    /// Starts a client that goes on.
    func start(_ client: ClusterClient, on host: String = "h1", _ arguments: String...) throws -> RunningCommand {
        try RunningCommand([try #require(client.path)] + arguments, environment: environment(host))
    }

    static func trimmed(_ text: String) -> String {
        String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }

    /// What a host's engine answers.
    func get(_ path: String, on host: String = "h1", query: [(String, String)] = []) async throws -> JSONValue {
        try await lab.client(host).json("GET", path, query: query)
    }

    // MARK: Images

    /// Makes an image of busybox whose web server answers with `version`, the container's hostname and the client's
    /// address, and loads it on a host.
    func loadImage(_ name: String, version: String, on host: String = "h1") async throws {
        let directory = try TemporaryDirectory("image")
        let file = directory.path("image.tar")
        let script = ". '\(Self.repository)/scripts/lib/image.sh'; busybox_image '\(name)' '\(version)' '\(file)'"
        let made = try await Command.run(["bash", "-euc", script])
        try #require(made.succeeded, "the image \(name) cannot be made: \(made.errorOutput)")
        try await output(on: host, "load", "-i", file)
    }

    static let repository = Files.parent(of: Files.parent(of: Files.parent(of: #filePath)))

    // MARK: Requests

    /// Asks a published port from the underlay: the answer's words, or nil where there was none within two seconds.
    func ask(_ address: String, port: Int, from place: String = RunningLab.underlayName) async throws -> [String]? {
        let result = try await lab.exec(
            on: place, ["curl", "-sS", "-f", "-m", "2", "http://\(address):\(port)/cgi-bin/hello"])
        guard result.code == 0 else { return nil }
        return String(decoding: result.output, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
    }

    /// Waits until a published port is answered there.
    func answer(
        _ host: String, port: Int, within limit: Duration = .seconds(10)
    ) async throws -> [String] {
        let address = "\(try lab.host(host).address)"
        return try await waitFor("\(host) answers on \(port)", within: limit) { try await ask(address, port: port) }
    }

    // MARK: Services

    struct ServiceTask: Sendable {
        let id: String
        let slot: Int64
        let node: String
        let state: String
        let desired: String
        let error: String
        let image: String
        let containerID: String
    }

    func tasks(of service: String, on host: String = "h1") async throws -> [ServiceTask] {
        let filter = JSONValue.object(["service": [.string(service)]])
        let nodes = try await get("/nodes", on: host).array ?? []
        let names = Dictionary(
            nodes.map { ($0["ID"]?.string ?? "", $0["Description"]?["Hostname"]?.string ?? "") }
        ) { first, _ in first }
        let filters = String(decoding: filter.serialized(), as: UTF8.self)
        return try await (get("/tasks", on: host, query: [("filters", filters)]).array ?? []).map { task in
            ServiceTask(
                id: task["ID"]?.string ?? "", slot: task["Slot"]?.integer ?? 0,
                node: names[task["NodeID"]?.string ?? ""] ?? "", state: task["Status"]?["State"]?.string ?? "",
                desired: task["DesiredState"]?.string ?? "",
                error: task["Status"]?["Err"]?.string ?? "",
                image: task["Spec"]?["ContainerSpec"]?["Image"]?.string ?? "",
                containerID: task["Status"]?["ContainerStatus"]?["ContainerID"]?.string ?? "")
        }
    }

    func runningTasks(of service: String, on host: String = "h1") async throws -> [ServiceTask] {
        try await tasks(of: service, on: host).filter { $0.state == "running" && $0.desired == "running" }
    }

    /// Waits until exactly so many tasks run and are to run.
    @discardableResult
    func waitForTasks(
        _ count: Int, of service: String, on host: String = "h1", within limit: Duration = .seconds(30),
        where isMeant: @Sendable (ServiceTask) -> Bool = { _ in true }
    ) async throws -> [ServiceTask] {
        try await waitFor("\(count) tasks of \(service) run", within: limit, every: .milliseconds(50)) {
            guard let all = try? await runningTasks(of: service, on: host) else { return nil }
            let meant = all.filter(isMeant)
            return meant.count == count && all.count == count ? meant : nil
        }
    }

    /// Running and wanted tasks as `service ls` shows them.
    func replicas(of service: String, _ client: ClusterClient = .any, on host: String = "h1") async throws -> String {
        try await output(client, on: host, "service", "ls", "--filter", "name=\(service)", "--format", "{{.Replicas}}")
    }

    func updateState(of service: String, on host: String = "h1") async throws -> String? {
        try await get("/services/\(service)", on: host)["UpdateStatus"]?["State"]?.string
    }

    // MARK: Nodes

    func nodeID(_ name: String, on host: String = "h1") async throws -> String {
        let nodes = try await get("/nodes", on: host).array ?? []
        let node = nodes.first { $0["Description"]?["Hostname"]?.string == name }
        return try #require(node?["ID"]?.string, "no node \(name)")
    }

    /// What a manager says of each node: `ready`, `down`.
    func nodeStates(on host: String = "h1") async throws -> [String: String] {
        let nodes = try await get("/nodes", on: host).array ?? []
        return Dictionary(
            nodes.map { ($0["Description"]?["Hostname"]?.string ?? "", $0["Status"]?["State"]?.string ?? "") }
        ) { first, _ in first }
    }

    func leader(on host: String = "h1") async throws -> String? {
        let nodes = try await get("/nodes", on: host).array ?? []
        return nodes.first { $0["ManagerStatus"]?["Leader"]?.bool == true }?["Description"]?["Hostname"]?.string
    }

    func waitForReadyNodes(_ count: Int, on host: String = "h1", within limit: Duration = .seconds(20)) async throws {
        try await waitUntil("\(count) nodes are ready", within: limit, every: .milliseconds(50)) {
            ((try? await nodeStates(on: host)) ?? [:]).values.count { $0 == "ready" } == count
        }
    }

    /// How long it takes until a manager accepts a change; each attempt is a new one.
    func timeOfNextWrite(
        on host: String, service: String, within limit: Duration = .seconds(20)
    ) async throws -> Duration {
        let begun = ContinuousClock.now
        let client = try lab.client(host)
        try await waitUntil("\(host) accepts a write", within: limit) {
            guard let object = try? await client.json("GET", "/services/\(service)"),
                var spec = object["Spec"]?.object, let version = object["Version"]?["Index"]?.integer
            else { return false }
            spec["Labels"] = ["written": .string("\(ContinuousClock.now - begun)")]
            let answer = try? await client.json(
                "POST", "/services/\(service)/update", query: [("version", "\(version)")], body: .object(spec))
            return answer != nil
        }
        return ContinuousClock.now - begun
    }
}

/// Counts the different words it was told.
actor WordCount {
    private var words: Set<String> = []

    func note(_ word: String) -> Int {
        words.insert(word)
        return words.count
    }
}
