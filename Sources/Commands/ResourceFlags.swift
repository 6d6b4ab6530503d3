import JSON
import Values

/// Flags that containers and services share.
enum ResourceFlags {
    /// `nofile=1024:2048` (Engine API: Resources, Ulimits).
    static func ulimit(_ text: String, flag: String = "--ulimit") throws(FlagError) -> JSONValue {
        let name = Assignments.name(text)
        let limits = text.dropFirst(name.count + 1).split(separator: ":", omittingEmptySubsequences: false)
            .map { Int64($0) }
        guard !name.isEmpty, (1...2).contains(limits.count), let soft = limits[0], let hard = limits[limits.count - 1]
        else {
            throw FlagError(flag, text, "invalid ulimit argument: write name=soft[:hard]")
        }
        guard hard == -1 || soft <= hard && soft != -1 else {
            throw FlagError(
                flag, text, "ulimit soft limit must be less than or equal to hard limit: \(soft) > \(hard)")
        }
        return ["Name": .string(name), "Soft": .integer(soft), "Hard": .integer(hard)]
    }

    /// `host:address` or `host=address`, as name and address.
    static func host(_ text: String, flag: String) throws(FlagError) -> (name: String, address: String) {
        guard let divider = text.firstIndex(where: { $0 == "=" || $0 == ":" }), divider > text.startIndex else {
            throw FlagError(flag, text, "bad format for add-host: \"\(text)\"")
        }
        var address = String(text[text.index(after: divider)...])
        if address.hasPrefix("["), address.hasSuffix("]") { address = String(address.dropFirst().dropLast()) }
        guard address == "host-gateway" || IPAddress(address) != nil else {
            throw FlagError(flag, text, "invalid IP address in add-host: \"\(address)\"")
        }
        return (String(text[..<divider]), address)
    }

    /// `always`, `on-failure:3` (Engine API: RestartPolicy).
    static func restartPolicy(_ text: String) throws(FlagError) -> JSONValue {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        var count: Int64 = 0
        if parts.count == 2 {
            guard let number = Int64(parts[1]), number >= 0 else {
                throw FlagError("--restart", text, "maximum retry count must be an integer")
            }
            count = number
        }
        guard (1...2).contains(parts.count), ["", "no", "always", "unless-stopped", "on-failure"].contains(parts[0])
        else {
            throw FlagError("--restart", text, "use no, always, unless-stopped or on-failure[:max-retries]")
        }
        guard parts.count == 1 || parts[0] == "on-failure" else {
            throw FlagError("--restart", text, "maximum retry count cannot be used with restart policy '\(parts[0])'")
        }
        return ["Name": .string(parts[0].isEmpty ? "no" : parts[0]), "MaximumRetryCount": .integer(count)]
    }

    /// `/dev/x[:/dev/y[:rwm]]` (Engine API: DeviceMapping).
    static func device(_ text: String) throws(FlagError) -> JSONValue {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (1...3).contains(parts.count), parts[0].hasPrefix("/") else {
            throw FlagError("--device", text, "invalid device specification")
        }
        func isMode(_ text: String) -> Bool { !text.isEmpty && text.allSatisfy { "rwm".contains($0) } }
        var inside = parts.count > 1 ? parts[1] : parts[0]
        var permissions = parts.count > 2 ? parts[2] : "rwm"
        if parts.count == 2, isMode(parts[1]) { (inside, permissions) = (parts[0], parts[1]) }
        guard isMode(permissions), inside.hasPrefix("/") else {
            throw FlagError("--device", text, "invalid device mode: \(permissions)")
        }
        return [
            "PathOnHost": .string(parts[0]), "PathInContainer": .string(inside),
            "CgroupPermissions": .string(permissions),
        ]
    }

    /// A network by name, or `name=web,alias=a,ip=10.0.0.5` (Engine API: EndpointSettings).
    static func network(_ text: String) throws(FlagError) -> (name: String, endpoint: JSONValue) {
        guard text.contains("=") else { return (text, [:]) }
        var name = ""
        var aliases: [String] = []
        var options: [String: String] = [:]
        var endpoint: JSONValue = [:]
        for (key, value) in KeyedFields.parse(text) {
            let value = value ?? ""
            switch key {
            case "name": name = value
            case "alias": aliases.append(value)
            case "ip": endpoint.set("IPAMConfig", "IPv4Address", to: .string(value))
            case "mac-address": endpoint["MacAddress"] = .string(value)
            case "driver-opt": options.merge(Assignments.dictionary([value])) { $1 }
            default: throw FlagError("--network", text, "invalid field key \(key)")
            }
        }
        guard !name.isEmpty else { throw FlagError("--network", text, "network name/id is not specified") }
        if !aliases.isEmpty { endpoint["Aliases"] = .strings(aliases) }
        if !options.isEmpty { endpoint["DriverOpts"] = .texts(options) }
        return (name, endpoint)
    }
}

/// The flags of health checks.
struct HealthFlags: Equatable {
    var command: String?
    var interval: String?
    var timeout: String?
    var retries: Int?
    var startPeriod: String?
    var startInterval: String?
    var isOff = false

    var isGiven: Bool { self != HealthFlags() }

    /// Engine API: HealthConfig; laid over what was there before.
    func applied(to previous: JSONValue? = nil) throws -> JSONValue {
        let isOther = command != nil || interval != nil || timeout != nil || retries != nil || startPeriod != nil
        if isOff {
            guard !isOther, startInterval == nil else {
                throw CommandExit(
                    code: CommandFailure.usageCode,
                    message: "martlet: --no-healthcheck conflicts with --health-* options")
            }
            return ["Test": ["NONE"]]
        }
        var health = previous?.object == nil ? [:] : previous!
        if isOther, health["Test"] == ["NONE"] { health["Test"] = nil }
        if let command { health["Test"] = command.isEmpty ? [] : ["CMD-SHELL", .string(command)] }
        for (text, member, flag) in [
            (interval, "Interval", "--health-interval"), (timeout, "Timeout", "--health-timeout"),
            (startPeriod, "StartPeriod", "--health-start-period"),
            (startInterval, "StartInterval", "--health-start-interval"),
        ] {
            if let text { health[member] = .integer(try DurationText.parse(text, flag: flag)) }
        }
        if let retries {
            guard retries >= 0 else { throw FlagError("--health-retries", "\(retries)", "cannot be negative") }
            health["Retries"] = .integer(Int64(retries))
        }
        return health
    }
}
