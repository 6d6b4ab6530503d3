import EngineModel
import JSON

/// How a container of an image runs where its creator says nothing else (OCI image-spec: config, `config`; Docker's
/// Healthcheck, OnBuild, Shell and StopTimeout).
public struct ExecutionParameters: Hashable, Sendable, Codable {
    public var user = ""
    /// `80/tcp` and so on, each with an empty object.
    public var exposedPorts: [String: JSONValue]?
    public var env: [String] = []
    public var entrypoint: CommandLine?
    public var cmd: CommandLine?
    /// Paths, each with an empty object.
    public var volumes: [String: JSONValue]?
    public var workingDir = ""
    public var labels: [String: String] = [:]
    public var stopSignal: String?
    public var stopTimeout: Int?
    public var healthcheck: HealthConfiguration?
    public var onBuild: [String] = []
    /// What runs commands that are one line: `/bin/sh -c` where it is nil.
    public var shell: [String]?

    public init() {}

    /// The JSON object, without what is not set.
    public var value: JSONValue {
        let whole: JSONValue
        do { whole = try JSONCoding.docker.value(of: self) } catch { preconditionFailure("plain JSON: \(error)") }
        return .object((whole.object ?? [:]).filter { !Self.isEmpty($0.value) })
    }

    private static func isEmpty(_ value: JSONValue) -> Bool {
        value.isNull || value == "" || value == [] || value == [:]
    }

    /// The value of an environment variable; nil where it is not set.
    public func variable(_ name: some StringProtocol) -> String? {
        env.last { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
    }

    /// Sets an environment variable in place of the one of that name.
    public mutating func setVariable(_ name: String, _ value: String) {
        let entry = name + "=" + value
        if let index = env.firstIndex(where: { $0.hasPrefix(name + "=") }) {
            env[index] = entry
        } else {
            env.append(entry)
        }
    }
}
