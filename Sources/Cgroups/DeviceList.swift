import Glibc

/// v1's devices controller: everything is allowed or denied but for exceptions (the kernel's
/// Documentation/admin-guide/cgroup-v1/devices.rst).
struct DeviceList {
    /// Devices that are not as the rest.
    struct Exception {
        var set: DeviceSet
        var access: DeviceAccess

        /// As the kernel writes it: `c 1:3 rwm`.
        var text: String {
            let major = set.major?.description ?? "*"
            let minor = set.minor?.description ?? "*"
            return "\(set.kind.rawValue) \(major):\(minor) \(access.text)"
        }
    }

    private(set) var isAllowed = false
    /// At most one for each set, in the order of the rules that made them.
    private(set) var exceptions: [Exception] = []

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
            let numbers = words[1].split(separator: ":")
            guard numbers.count == 2 else { continue }
            add(access, to: DeviceSet(kind: kind, major: UInt32(numbers[0]), minor: UInt32(numbers[1])))
        }
    }

    private func access(to set: DeviceSet) -> DeviceAccess { exceptions.first { $0.set == set }?.access ?? [] }

    private mutating func add(_ access: DeviceAccess, to set: DeviceSet) {
        if let index = exceptions.firstIndex(where: { $0.set == set }) {
            exceptions[index].access.formUnion(access)
        } else {
            exceptions.append(Exception(set: set, access: access))
        }
    }

    private mutating func apply(_ rule: DeviceRule, at index: Int) throws(ResourceError) {
        if rule.isReset {
            isAllowed = rule.isAllowed
            exceptions = []
            return
        }
        for set in rule.sets {
            if rule.isAllowed != isAllowed {
                add(rule.access, to: set)
                continue
            }
            for place in exceptions.indices {
                let other = exceptions[place]
                guard other.set.intersection(set) != nil, !other.access.isDisjoint(with: rule.access) else { continue }
                guard set.covers(other.set) else {
                    throw ResourceError(
                        "devices[\(index)]", "cgroup v1 cannot take this from the wider rule \(other.text)",
                        errno: EINVAL)
                }
                exceptions[place].access.subtract(rule.access)
            }
            exceptions.removeAll(where: \.access.isEmpty)
        }
    }

    /// The kernel wants one exception that allows all that is asked for: opening for reading and writing, where one
    /// allows the first and another the second, takes a third.
    private mutating func combine() {
        let transfer: DeviceAccess = [.read, .write]
        while true {
            var added: [DeviceSet] = []
            for reader in exceptions where reader.access.contains(.read) && !reader.access.contains(.write) {
                for writer in exceptions where writer.access.contains(.write) && !writer.access.contains(.read) {
                    guard let both = reader.set.intersection(writer.set) else { continue }
                    let isThere = exceptions.contains { $0.set.covers(both) && $0.access.isSuperset(of: transfer) }
                    if !isThere { added.append(both) }
                }
            }
            if added.isEmpty { return }
            for set in added { add(transfer, to: set) }
        }
    }

    /// What is written to make a group's list from `current`: file and text. Between lists that deny, nothing that both
    /// allow is denied meanwhile. In the order of the rules, which the kernel's own list shows.
    func transition(from current: DeviceList) -> [(file: String, text: String)] {
        guard !isAllowed, !current.isAllowed else {
            let file = isAllowed ? "devices.deny" : "devices.allow"
            let first = (file: isAllowed ? "devices.allow" : "devices.deny", text: "a")
            return [first] + exceptions.map { (file, $0.text) }
        }
        return lines("devices.allow", without: current) + current.lines("devices.deny", without: self)
    }

    private func lines(_ file: String, without other: DeviceList) -> [(file: String, text: String)] {
        exceptions.compactMap { exception in
            let rest = exception.access.subtracting(other.access(to: exception.set))
            return rest.isEmpty ? nil : (file, Exception(set: exception.set, access: rest).text)
        }
    }
}
