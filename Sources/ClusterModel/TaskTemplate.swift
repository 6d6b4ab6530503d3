import EngineModel
import JSON
import Values

/// What a service's tasks are made from (Engine API: TaskSpec). Durations are nanoseconds.
public struct TaskTemplate: Hashable, Sendable, Codable {
    public struct Resources: Hashable, Sendable, Codable {
        public struct Limits: Hashable, Sendable, Codable {
            public var nanoCPUs: Int64
            public var memoryBytes: Int64
            public var pids: Int64

            public init(nanoCPUs: Int64 = 0, memoryBytes: Int64 = 0, pids: Int64 = 0) {
                self.nanoCPUs = nanoCPUs
                self.memoryBytes = memoryBytes
                self.pids = pids
            }
        }

        public var limits: Limits?
        public var reservations: Limits?

        public init(limits: Limits? = nil, reservations: Limits? = nil) {
            self.limits = limits
            self.reservations = reservations
        }
    }

    public struct RestartPolicy: Hashable, Sendable, Codable {
        /// `none`, `on-failure` or `any`; empty means `any`.
        public var condition: String?
        /// Before the next task; nil means 5 s.
        public var delay: Int64?
        /// Within `window`; 0 is without limit.
        public var maxAttempts: UInt64?
        /// 0 is for ever.
        public var window: Int64?

        public init(
            condition: String? = nil, delay: Int64? = nil, maxAttempts: UInt64? = nil, window: Int64? = nil
        ) {
            self.condition = condition
            self.delay = delay
            self.maxAttempts = maxAttempts
            self.window = window
        }

        /// Docker's: 5 s.
        public static let usualDelayNanoseconds: Int64 = 5_000_000_000

        /// Whether a task that has ended by itself is followed by another one.
        ///
        /// - Parameter isSuccess: it ended with status 0.
        public func permits(afterSuccess isSuccess: Bool) -> Bool {
            switch condition ?? "any" {
            case "none": false
            case "on-failure": !isSuccess
            default: true
            }
        }

        /// Whether so many ends within the window leave an attempt; the first task is no attempt.
        public func permits(ends: Int) -> Bool {
            guard let limit = maxAttempts, limit > 0 else { return true }
            return ends <= Int(min(limit, UInt64(Int.max - 1)))
        }
    }

    public struct Placement: Hashable, Sendable, Codable {
        public struct Preference: Hashable, Sendable, Codable {
            public struct Spread: Hashable, Sendable, Codable {
                public var spreadDescriptor: String
            }

            public var spread: Spread?
        }

        public var constraints: [String]?
        public var preferences: [Preference]?
        /// Per node; 0 is without limit.
        public var maxReplicas: UInt64?
        public var platforms: [NodeDescription.Platform]?

        public init() {}
    }

    public var containerSpec: ContainerSpec?
    public var resources: Resources?
    public var restartPolicy: RestartPolicy?
    public var placement: Placement?
    public var networks: [NetworkAttachmentConfiguration]?
    public var logDriver: JSONValue?
    /// Counts wishes for new tasks without a change.
    public var forceUpdate: UInt64
    public var runtime: String?

    public init(containerSpec: ContainerSpec?) {
        self.containerSpec = containerSpec
        forceUpdate = 0
    }
}

/// The container of a task (Engine API: TaskSpec, ContainerSpec).
public struct ContainerSpec: Hashable, Sendable, Codable {
    public struct NameServers: Hashable, Sendable, Codable {
        public var nameservers: [String]?
        public var search: [String]?
        public var options: [String]?
    }

    public var image: String
    public var labels: [String: String]?
    /// Replaces the image's entrypoint.
    public var command: [String]?
    /// Replaces the image's command.
    public var args: [String]?
    public var hostname: String?
    public var env: [String]?
    public var dir: String?
    public var user: String?
    public var groups: [String]?
    public var tty: Bool?
    public var openStdin: Bool?
    public var readOnly: Bool?
    public var mounts: [MountSpecification]?
    public var stopSignal: String?
    /// Nanoseconds; nil means 10 s.
    public var stopGracePeriod: Int64?
    public var healthcheck: HealthConfiguration?
    /// Lines of /etc/hosts: address and names.
    public var hosts: [String]?
    public var dnsConfig: NameServers?
    public var `init`: Bool?
    public var sysctls: [String: String]?
    public var capabilityAdd: [String]?
    public var capabilityDrop: [String]?
    public var ulimits: [Ulimit]?
    public var oomScoreAdj: Int?
    public var privileges: JSONValue?
    public var isolation: String?
    public var secrets: JSONValue?
    public var configs: JSONValue?

    public init(image: String) { self.image = image }
}
