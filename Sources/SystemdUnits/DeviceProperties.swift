import RuntimeSpec

/// `linux.resources.devices` as DevicePolicy and DeviceAllow (systemd.resource-control(5)).
public enum DeviceProperties {
    /// The properties of these rules, which count in order, the last that fits.
    ///
    /// systemd has lists of what is allowed only, by device, by major number or whole. Where rules do not fit into that
    /// (a denial after a wider permission, a minor number alone), what is said here allows more than the rules do: both
    /// filters count, and the runtime's own has the rules in full. Rules that allow all but some devices give `auto`,
    /// with which systemd has no filter.
    public static func properties(_ rules: [LinuxResources.DeviceRule]) throws(SystemdError) -> [UnitProperty] {
        var isOpen = true
        var allowed: [(path: String, access: Set<Character>)] = []
        for (index, rule) in rules.enumerated() {
            let member = "linux.resources.devices[\(index)]"
            let access = Set(rule.access.flatMap { $0.isEmpty ? nil : $0 } ?? "rwm")
            guard access.isSubset(of: "rwm") else {
                throw .invalidProperty(member + ".access", reason: "\"\(rule.access ?? "")\" is not of r, w and m")
            }
            let paths = try paths(rule, member)
            if isWhole(rule, access) {
                isOpen = rule.allow
                allowed = []
            } else if rule.allow {
                for path in paths {
                    if let place = allowed.firstIndex(where: { $0.path == path }) {
                        allowed[place].access.formUnion(access)
                    } else {
                        allowed.append((path, access))
                    }
                }
            } else {
                // Only the very same entry can be taken back.
                for path in paths where !isWidened(rule) {
                    for place in allowed.indices where allowed[place].path == path {
                        allowed[place].access.subtract(access)
                    }
                }
                allowed.removeAll { $0.access.isEmpty }
            }
        }
        let entries: [DBusValue] =
            isOpen
            ? []
            : allowed.map { entry in
                .structure([.string(entry.path), .string(String("rwm".filter(entry.access.contains)))])
            }
        let type = DBusType.structure([.basic(.string), .basic(.string)])
        var properties = [
            UnitProperty("DevicePolicy", .string(isOpen ? "auto" : "strict")),
            // An empty list takes away what was there; otherwise entries would be added to it.
            UnitProperty("DeviceAllow", .array(type, [])),
        ]
        if !entries.isEmpty { properties.append(UnitProperty("DeviceAllow", .array(type, entries))) }
        return properties
    }

    /// -1 and nil are any number.
    private static func number(_ number: Int64?) -> Int64? { number.flatMap { $0 < 0 ? nil : $0 } }

    private static func isWhole(_ rule: LinuxResources.DeviceRule, _ access: Set<Character>) -> Bool {
        [nil, "", "a"].contains(rule.type) && number(rule.major) == nil && number(rule.minor) == nil
            && access.count == 3
    }

    /// Its entry stands for more devices than the rule.
    private static func isWidened(_ rule: LinuxResources.DeviceRule) -> Bool {
        number(rule.major) == nil && number(rule.minor) != nil
    }

    private static func paths(_ rule: LinuxResources.DeviceRule, _ member: String) throws(SystemdError) -> [String] {
        let kinds: [String]
        switch rule.type {
        case nil, "", "a": kinds = ["char", "block"]
        case "c", "u": kinds = ["char"]
        case "b": kinds = ["block"]
        default: throw .invalidProperty(member + ".type", reason: "\"\(rule.type ?? "")\" is not a, b or c")
        }
        return kinds.map { kind in
            guard let major = number(rule.major) else { return kind + "-*" }
            // A number in the place of the driver's name is known since systemd 241.
            guard let minor = number(rule.minor) else { return "\(kind)-\(major)" }
            return "/dev/\(kind)/\(major):\(minor)"
        }
    }
}
