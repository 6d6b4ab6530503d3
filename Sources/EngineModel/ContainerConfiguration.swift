import JSON

/// A command as a list of words; Docker's clients may also send one string (Engine API: ContainerConfig, Cmd).
public struct CommandLine: Hashable, Sendable, Codable, ExpressibleByArrayLiteral {
    public var words: [String]

    public init(_ words: [String]) { self.words = words }
    public init(arrayLiteral elements: String...) { words = elements }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let list = try? container.decode([String].self) {
            words = list
        } else {
            words = [try container.decode(String.self)]
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(words)
    }
}

/// How the health of a container is probed (Engine API: HealthConfig). Durations are nanoseconds; 0 means the default.
public struct HealthConfiguration: Hashable, Sendable, Codable {
    /// `NONE`, or `CMD` and words, or `CMD-SHELL` and one line for the shell; empty inherits the image's.
    public var test: [String]
    public var interval: Int64
    public var timeout: Int64
    public var retries: Int
    public var startPeriod: Int64
    public var startInterval: Int64

    public init(
        test: [String], interval: Int64 = 0, timeout: Int64 = 0, retries: Int = 0, startPeriod: Int64 = 0,
        startInterval: Int64 = 0
    ) {
        self.test = test
        self.interval = interval
        self.timeout = timeout
        self.retries = retries
        self.startPeriod = startPeriod
        self.startInterval = startInterval
    }

    /// This configuration with what it leaves open taken from `image`.
    public func inheriting(_ image: HealthConfiguration?) -> HealthConfiguration {
        guard let image else { return self }
        var merged = self
        if merged.test.isEmpty { merged.test = image.test }
        if merged.interval == 0 { merged.interval = image.interval }
        if merged.timeout == 0 { merged.timeout = image.timeout }
        if merged.retries == 0 { merged.retries = image.retries }
        if merged.startPeriod == 0 { merged.startPeriod = image.startPeriod }
        if merged.startInterval == 0 { merged.startInterval = image.startInterval }
        return merged
    }
}

/// What runs in a container, whatever the host (Engine API: ContainerConfig).
public struct ContainerConfiguration: Hashable, Sendable, Codable {
    public var hostname = ""
    public var domainname = ""
    public var user = ""
    public var attachStdin = false
    public var attachStdout = false
    public var attachStderr = false
    /// `80/tcp` and so on, each with an empty object.
    public var exposedPorts: [String: JSONValue]?
    public var tty = false
    public var openStdin = false
    public var stdinOnce = false
    public var env: [String] = []
    public var cmd: CommandLine?
    public var healthcheck: HealthConfiguration?
    public var image = ""
    public var volumes: [String: JSONValue]?
    public var workingDir = ""
    public var entrypoint: CommandLine?
    public var labels: [String: String] = [:]
    public var stopSignal: String?
    public var stopTimeout: Int?
    /// The address of the interface in the network of the network mode (before API 1.44; then in EndpointSettings).
    public var macAddress: String?

    public init() {}

    enum CodingKeys: String, CodingKey {
        case hostname, domainname, user, attachStdin, attachStdout, attachStderr, exposedPorts
        case tty = "Tty"
        case openStdin, stdinOnce, env, cmd, healthcheck, image, volumes, workingDir, entrypoint, labels, stopSignal
        case stopTimeout, macAddress
    }
}
