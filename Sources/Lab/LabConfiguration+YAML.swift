import LinuxSystem
import Values
import Yams

extension LabConfiguration {
    /// The longest lab file, in bytes.
    public static let fileLimit = 1 << 20

    /// Reads a lab's file. An unknown key or a wrong type is an error that names its path.
    public init(file path: String) throws {
        let bytes = try Files.read(path, limit: Self.fileLimit)
        do {
            try self.init(yaml: String(decoding: bytes, as: UTF8.self))
        } catch let error as LabError {
            throw LabError("\(path): \(error.message)")
        }
    }

    /// Reads a lab from YAML text.
    public init(yaml text: String) throws {
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw LabError("not YAML: \(error)")
        }
        guard let root else { throw LabError("the file is empty") }
        let top = try YAMLMapping(root, path: "", keys: ["name", "hosts", "underlay"])
        self.init(
            name: try top.required("name") { try $0.string() }, hosts: try top.required("hosts") { try $0.hosts() },
            underlay: try top.optional("underlay") { try $0.underlay() } ?? Underlay())
        try validate()
    }
}

/// A value of the file and its path.
private struct YAMLValue {
    let node: Node
    let path: String

    func refuse(_ expected: String) -> LabError {
        let found: String
        switch node {
        case .scalar(let scalar): found = "\"\(scalar.string)\""
        case .mapping: found = "a mapping"
        case .sequence: found = "a list"
        default: found = "an alias"
        }
        return LabError("\(path.isEmpty ? "the file" : path): expected \(expected), found \(found)")
    }

    func string() throws -> String {
        guard case .scalar(let scalar) = node, !scalar.string.isEmpty else { throw refuse("a string") }
        return scalar.string
    }

    func number() throws -> Double {
        guard case .scalar(let scalar) = node, let value = Double(scalar.string), value.isFinite else {
            throw refuse("a number")
        }
        return value
    }

    func integer() throws -> Int {
        guard case .scalar(let scalar) = node, let value = Int(scalar.string) else { throw refuse("a whole number") }
        return value
    }

    func network() throws -> CIDR {
        guard case .scalar(let scalar) = node, let value = CIDR(scalar.string) else {
            throw refuse("a network such as 10.77.0.0/24")
        }
        return value
    }

    func address() throws -> IPAddress {
        guard case .scalar(let scalar) = node, let value = IPAddress(scalar.string) else { throw refuse("an address") }
        return value
    }

    func memory() throws -> Int64 {
        guard case .scalar(let scalar) = node, let value = ByteCount(parsing: scalar.string) else {
            throw refuse("a size such as 512MiB")
        }
        return value.bytes
    }

    /// `100mbit`: powers of 1000, as tc(8) writes rates.
    func rate() throws -> Int64 {
        let units: [(String, Double)] = [("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9), ("bit", 1)]
        guard case .scalar(let scalar) = node,
            let (unit, factor) = units.first(where: { scalar.string.lowercased().hasSuffix($0.0) }),
            let value = Double(scalar.string.dropLast(unit.utf8.count)), value > 0, value * factor < 1e15
        else { throw refuse("a rate such as 100mbit") }
        return Int64(value * factor)
    }

    func strings() throws -> [String: String] {
        guard case .mapping(let mapping) = node else { throw refuse("a mapping of strings") }
        var result: [String: String] = [:]
        for (key, value) in mapping {
            let name = try YAMLValue(node: key, path: path).string()
            guard case .scalar(let scalar) = value else {
                throw YAMLValue(node: value, path: "\(path).\(name)").refuse("a string")
            }
            result[name] = scalar.string
        }
        return result
    }

    func hosts() throws -> [LabConfiguration.Host] {
        guard case .sequence(let sequence) = node else { throw refuse("a list of hosts") }
        var hosts: [LabConfiguration.Host] = []
        for (index, element) in sequence.enumerated() {
            let mapping = try YAMLMapping(
                element, path: "\(path)[\(index)]", keys: ["name", "role", "labels", "limits"])
            hosts.append(
                LabConfiguration.Host(
                    name: try mapping.required("name") { try $0.string() },
                    role: try mapping.optional("role") { try $0.role() } ?? .manager,
                    labels: try mapping.optional("labels") { try $0.strings() } ?? [:],
                    limits: try mapping.optional("limits") { try $0.limits() } ?? LabConfiguration.Limits()))
        }
        return hosts
    }

    func role() throws -> LabConfiguration.Role {
        guard case .scalar(let scalar) = node, let role = LabConfiguration.Role(rawValue: scalar.string) else {
            throw refuse("manager or worker")
        }
        return role
    }

    func limits() throws -> LabConfiguration.Limits {
        let mapping = try YAMLMapping(node, path: path, keys: ["cpus", "memory", "rate"])
        return LabConfiguration.Limits(
            cpus: try mapping.optional("cpus") { try $0.number() },
            memoryBytes: try mapping.optional("memory") { try $0.memory() },
            rateBitsPerSecond: try mapping.optional("rate") { try $0.rate() })
    }

    func underlay() throws -> LabConfiguration.Underlay {
        let mapping = try YAMLMapping(node, path: path, keys: ["ipv4", "ipv6", "mtu", "dns"])
        return LabConfiguration.Underlay(
            ipv4: try mapping.optional("ipv4") { try $0.network() } ?? LabConfiguration.Underlay.standardIPv4,
            ipv6: try mapping.optional("ipv6") { try $0.network() } ?? LabConfiguration.Underlay.standardIPv6,
            mtu: try mapping.optional("mtu") { try $0.integer() } ?? LabConfiguration.Underlay.standardMTU,
            dns: try mapping.optional("dns") { try $0.address() })
    }
}

/// A mapping of the file whose keys are known.
private struct YAMLMapping {
    let path: String
    private var values: [String: YAMLValue] = [:]

    init(_ node: Node, path: String, keys: [String]) throws {
        self.path = path
        guard case .mapping(let mapping) = node else {
            throw YAMLValue(node: node, path: path).refuse("a mapping with \(keys.joined(separator: ", "))")
        }
        for (key, value) in mapping {
            let name = try YAMLValue(node: key, path: path).string()
            let full = path.isEmpty ? name : "\(path).\(name)"
            guard keys.contains(name) else {
                throw LabError("\(full): unknown key; known here: \(keys.joined(separator: ", "))")
            }
            guard values[name] == nil else { throw LabError("\(full): written twice") }
            values[name] = YAMLValue(node: value, path: full)
        }
    }

    func required<Value>(_ key: String, _ read: (YAMLValue) throws -> Value) throws -> Value {
        guard let value = values[key] else {
            throw LabError("\(path.isEmpty ? "the file" : path): \"\(key)\" is missing")
        }
        return try read(value)
    }

    func optional<Value>(_ key: String, _ read: (YAMLValue) throws -> Value) throws -> Value? {
        guard let value = values[key] else { return nil }
        return try read(value)
    }
}
