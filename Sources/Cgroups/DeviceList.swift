import Glibc

/// v1's devices controller: everything is allowed or denied but for exceptions (the kernel's
/// Documentation/admin-guide/cgroup-v1/devices.rst).
struct DeviceList: Hashable {
    private(set) var isAllowed = false
    private(set) var exceptions: [DeviceSet: DeviceAccess] = [:]
    /// Where the rule that made an exception stands.
    private var places: [DeviceSet: Int] = [:]

    init() {}

    /// The list that answers as `rules` in order do, the first of them on a list that denies everything.
    ///
    /// - Throws: a rule that takes back a part of an exception that the controller can only take back whole.
    init(_ rules: [DeviceRule]) throws(ResourceError) {
        for (index, rule) in rules.enumerated() { try apply(rule, at: index) }
        if !isAllowed { combine() }
    }

    /// From devices.list, which does not show exceptions where everything else is allowed.
    init(text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, let access = DeviceAccess(words[2]) else { continue }
            guard let kind = words[0].first.flatMap(DeviceSet.Kind.init(rawValue:)) else {
                isAllowed = words[0] == "a"
                continue
            }
            let numbers = words[1].split(separator: ":").map { UInt32($0) }
            guard numbers.count == 2 else { continue }
            exceptions[DeviceSet(kind: kind, major: numbers[0], minor: numbers[1])] = access
        }
    }

    private mutating func apply(_ rule: DeviceRule, at index: Int) throws(ResourceError) {
        if rule.isReset {
            isAllowed = rule.isAllowed
            exceptions = [:]
            return
        }
        for set in rule.sets {
            if rule.isAllowed != isAllowed {
                exceptions[set, default: []].formUnion(rule.access)
                if places[set] == nil { places[set] = index }
                continue
            }
            for (other, access) in exceptions where other.intersection(set) != nil {
                guard !access.isDisjoint(with: rule.access) else { continue }
                guard set.covers(other) else {
                    throw ResourceError(
                        "devices[\(index)]",
                        "cgroup v1 cannot take this from the wider rule \(Self.text(other, access))",
                        errno: EINVAL)
                }
                let rest = access.subtracting(rule.access)
                exceptions[other] = rest.isEmpty ? nil : rest
            }
        }
    }

    /// The kernel wants one exception that allows all that is asked for: opening for reading and writing, where one
    /// allows the first and another the second, takes a third.
    private mutating func combine() {
        let transfer: DeviceAccess = [.read, .write]
        while true {
            var added: [DeviceSet] = []
            let partial = exceptions.filter { !$0.value.isSuperset(of: transfer) }
            let readers = partial.filter { $0.value.contains(.read) }
            let writers = partial.filter { $0.value.contains(.write) }
            for reader in readers.keys {
                for writer in writers.keys {
                    guard let both = reader.intersection(writer) else { continue }
                    let isThere = exceptions.contains { $0.key.covers(both) && $0.value.isSuperset(of: transfer) }
                    if !isThere { added.append(both) }
                }
            }
            if added.isEmpty { return }
            for set in added { exceptions[set, default: []].formUnion(transfer) }
        }
    }

    /// What is written to make a group's list from `current`: file and text. Between lists that deny, nothing that both
    /// allow is denied meanwhile. In the order of the rules, which the kernel's own list shows.
    func transition(from current: DeviceList) -> [(file: String, text: String)] {
        var allow: [(DeviceSet, DeviceAccess)] = []
        var deny: [(DeviceSet, DeviceAccess)] = []
        guard !isAllowed, !current.isAllowed else {
            let file = isAllowed ? "devices.deny" : "devices.allow"
            let first = (file: isAllowed ? "devices.allow" : "devices.deny", text: "a")
            return [first] + lines(exceptions.map { ($0.key, $0.value) }).map { (file, $0) }
        }
        for (set, access) in exceptions {
            let missing = access.subtracting(current.exceptions[set] ?? [])
            if !missing.isEmpty { allow.append((set, missing)) }
        }
        for (set, access) in current.exceptions {
            let surplus = access.subtracting(exceptions[set] ?? [])
            if !surplus.isEmpty { deny.append((set, surplus)) }
        }
        return lines(allow).map { ("devices.allow", $0) } + lines(deny).map { ("devices.deny", $0) }
    }

    private func lines(_ exceptions: [(DeviceSet, DeviceAccess)]) -> [String] {
        exceptions.map { (places[$0.0] ?? .max, Self.text($0.0, $0.1)) }.sorted { $0 < $1 }.map(\.1)
    }

    private static func text(_ set: DeviceSet, _ access: DeviceAccess) -> String {
        let major = set.major.map { "\($0)" } ?? "*"
        let minor = set.minor.map { "\($0)" } ?? "*"
        return "\(set.kind.rawValue) \(major):\(minor) \(access.text)"
    }
}
