import EngineClient
import JSON

/// Creates, reads, changes and removes configs on one host's engine, as registers (``RegisterCall``): labels hold the
/// object and the value.
struct ConfigClient: Sendable {
    /// What a read gives to go on with.
    struct Config: Hashable, Sendable {
        var id: String
        var version: UInt64
        var content: RegisterCall.Content
    }

    enum Outcome<Value: Sendable>: Sendable {
        case answered(Value)
        /// Without effect, because of what there is.
        case refused
        case unknown
        /// The request never left: the engine could not be reached.
        case unsent
    }

    struct NoAnswer: Error {}

    /// What `config` labels do not say.
    struct StrangeConfig: Error, CustomStringConvertible {
        let description: String
    }

    private static let outOfSequence = "update out of sequence"
    private static let valueLabel = "value"
    private static let objectLabel = "object"

    let engine: EngineClient
    let limit: Duration

    init(_ engine: EngineClient, limit: Duration) {
        self.engine = engine
        self.limit = limit
    }

    func create(_ name: String, _ value: UInt64) async -> Outcome<Void> {
        await outcome(refusedBy: [409]) {
            var body = Self.body(name, RegisterCall.Content(object: value, value: value))
            body["Data"] = "eA=="
            try await engine.json("POST", "/configs/create", body: body)
        }
    }

    /// nil where there is none of that name.
    func read(_ name: String) async -> Outcome<Config?> {
        let outcome = await outcome(refusedBy: [404]) { () throws -> Config? in
            try Self.config(try await engine.json("GET", "/configs/" + EngineClient.escape(name)))
        }
        if case .refused = outcome { return .answered(nil) }
        return outcome
    }

    func update(_ name: String, _ config: Config, to value: UInt64) async -> Outcome<Void> {
        await outcome(refusedBy: [404]) {
            let content = RegisterCall.Content(object: config.content.object, value: value)
            try await engine.json(
                "POST", "/configs/\(config.id)/update", query: [("version", "\(config.version)")],
                body: Self.body(name, content))
        }
    }

    func remove(_ config: Config) async -> Outcome<Void> {
        await outcome(refusedBy: [404]) { try await engine.json("DELETE", "/configs/\(config.id)") }
    }

    /// All configs there are, by name.
    func all() async -> Outcome<[String: Config]> {
        await outcome(refusedBy: []) { () throws -> [String: Config] in
            var result: [String: Config] = [:]
            for value in try await engine.json("GET", "/configs").array ?? [] {
                guard let name = value["Spec"]?["Name"]?.string else { throw StrangeConfig(description: "no name") }
                if result.updateValue(try Self.config(value), forKey: name) != nil {
                    throw StrangeConfig(description: "two configs are named \(name)")
                }
            }
            return result
        }
    }

    private static func body(_ name: String, _ content: RegisterCall.Content) -> JSONValue {
        [
            "Name": .string(name),
            "Labels": [valueLabel: .string("\(content.value)"), objectLabel: .string("\(content.object)")],
        ]
    }

    private static func config(_ value: JSONValue) throws -> Config {
        let labels = value["Spec"]?["Labels"]
        guard let id = value["ID"]?.string, let version = value["Version"]?["Index"]?.integer,
            let object = labels?[objectLabel]?.string.flatMap(UInt64.init),
            let number = labels?[valueLabel]?.string.flatMap(UInt64.init)
        else { throw StrangeConfig(description: "\(value)") }
        return Config(
            id: id, version: UInt64(version), content: RegisterCall.Content(object: object, value: number))
    }

    private func outcome<Value: Sendable>(
        refusedBy statuses: Set<Int>, _ body: @escaping @Sendable () async throws -> Value
    ) async -> Outcome<Value> {
        do {
            return .answered(try await within(limit, body))
        } catch let error as EngineClientError {
            // Docker gives 500 to a version that is not the last one any more.
            if statuses.contains(error.status) || error.message.contains(Self.outOfSequence) { return .refused }
            return error.status == 0 && error.message.hasPrefix("Cannot connect") ? .unsent : .unknown
        } catch {
            return .unknown
        }
    }
}

/// Runs `body`, and cancels it after the limit (`ConfigClient.NoAnswer`).
func within<Value: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        defer { group.cancelAll() }
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw ConfigClient.NoAnswer()
        }
        guard let value = try await group.next() else { throw ConfigClient.NoAnswer() }
        return value
    }
}
