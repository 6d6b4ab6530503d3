import JSON

/// What Docker's clients can ask of containers and Martlet does not have. What is asked for is refused, never ignored;
/// the zero values that clients send of everything pass.
public enum UnsupportedSettings {
    /// A member of the API's object.
    struct Setting {
        let key: String
        let message: String
        /// A value that asks for nothing, beside null, false, 0 and what is empty.
        let harmless: JSONValue
        /// Whether 0 is a wish as well.
        let isZeroAsked: Bool
        let kind: EngineError.Kind

        init(
            _ key: String, _ message: String, or harmless: JSONValue = nil, isZeroAsked: Bool = false,
            kind: EngineError.Kind = .notImplemented
        ) {
            self.key = key
            self.message = message
            self.harmless = harmless
            self.isZeroAsked = isZeroAsked
            self.kind = kind
        }

        func isAsked(_ value: JSONValue) -> Bool {
            value != harmless && (value.asksForSomething || isZeroAsked && value == 0)
        }
    }

    /// Engine API: ContainerConfig.
    static let configuration = [
        Setting("NetworkDisabled", "disabling a container's network is not supported: use the network mode \"none\""),
        Setting("Shell", "a shell of a container's own for its health check is not supported"),
    ]

    /// Engine API: HostConfig, and Resources within it.
    static let host = [
        Setting(
            "UsernsMode", "invalid user namespace mode: user namespaces are not supported", or: "host",
            kind: .invalidParameter),
        Setting("Runtime", "unknown or invalid runtime name", or: "martlet", kind: .invalidParameter),
        Setting(
            "Isolation", "invalid isolation: Linux only supports 'default'", or: "default", kind: .invalidParameter),
        Setting("VolumeDriver", "volume drivers other than \"local\" are not supported", or: "local"),
        Setting("Links", "links between containers are not supported: use networks"),
        Setting("DeviceRequests", "could not select a device driver: device requests are not supported"),
        Setting("StorageOpt", "storage options of containers are not supported"),
        Setting("CgroupParent", "a parent control group is not supported"),
        Setting("Cgroup", "the control group of another container is not supported"),
        Setting("MemorySwappiness", "memory swappiness is not supported", or: -1, isZeroAsked: true),
        Setting("OomKillDisable", "disabling the OOM killer is not supported"),
        Setting("KernelMemory", "limits of kernel memory are not supported"),
        Setting("KernelMemoryTCP", "limits of kernel memory are not supported"),
        Setting("BlkioWeight", "block I/O weights are not supported"),
        Setting("BlkioWeightDevice", "block I/O weights are not supported"),
        Setting("BlkioDeviceReadBps", "block I/O limits are not supported"),
        Setting("BlkioDeviceWriteBps", "block I/O limits are not supported"),
        Setting("BlkioDeviceReadIOps", "block I/O limits are not supported"),
        Setting("BlkioDeviceWriteIOps", "block I/O limits are not supported"),
        Setting("CpuRealtimePeriod", "real-time scheduling is not supported"),
        Setting("CpuRealtimeRuntime", "real-time scheduling is not supported"),
        Setting("CpuCount", "CpuCount is not supported: use NanoCpus"),
        Setting("CpuPercent", "CpuPercent is not supported: use NanoCpus"),
        Setting("IOMaximumIOps", "block I/O limits are not supported"),
        Setting("IOMaximumBandwidth", "block I/O limits are not supported"),
        Setting("Annotations", "annotations of containers are not supported: use labels"),
    ]

    /// Engine API: EndpointSettings.
    static let endpoint = [
        Setting("Links", "links between containers are not supported: use aliases"),
        Setting("DriverOpts", "driver options of endpoints are not supported"),
        Setting("GwPriority", "priorities of gateways are not supported"),
    ]

    /// Engine API: EndpointIPAMConfig.
    static let addressing = [
        Setting("IPv6Address", "IPv6 addresses of containers are not supported"),
        Setting("LinkLocalIPs", "link-local addresses of containers are not supported"),
    ]

    /// Checks the body of `POST /containers/create`.
    static func check(creation: JSONValue) throws(EngineError) {
        try refuse(configuration, in: creation)
        try refuse(host, in: creation["HostConfig"])
        let endpoints = creation["NetworkingConfig"]?["EndpointsConfig"]?.object ?? [:]
        for (_, settings) in endpoints.sorted(by: { $0.key < $1.key }) { try check(endpoint: settings) }
    }

    /// Checks EndpointSettings.
    public static func check(endpoint settings: JSONValue?) throws(EngineError) {
        try refuse(endpoint, in: settings)
        try refuse(addressing, in: settings?["IPAMConfig"])
    }

    /// Checks the body of `POST /containers/{id}/update`.
    public static func check(update: JSONValue) throws(EngineError) { try refuse(host, in: update) }

    private static func refuse(_ settings: [Setting], in object: JSONValue?) throws(EngineError) {
        guard let object else { return }
        for setting in settings {
            guard let value = object[setting.key], setting.isAsked(value) else { continue }
            throw EngineError(setting.kind, setting.message + (value.string.map { " (\($0))" } ?? ""))
        }
    }
}

extension JSONValue {
    /// Whether a client's value is more than the zero value that it sends for what nobody chose: more than null, false,
    /// 0, an empty text or list, or an object of such.
    public var asksForSomething: Bool {
        switch self {
        case .null: false
        case .bool(let flag): flag
        case .integer(let number): number != 0
        case .unsigned: true
        case .number(let number): number != 0
        case .string(let text): !text.isEmpty
        case .array(let elements): !elements.isEmpty
        case .object(let members): members.values.contains(where: \.asksForSomething)
        }
    }
}
