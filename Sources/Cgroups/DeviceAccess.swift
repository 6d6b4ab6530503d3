import Glibc
import RuntimeSpec

/// Devices of one kind, by their numbers; a number that is nil stands for all.
struct DeviceSet: Hashable {
    enum Kind: Character, Hashable, CaseIterable {
        case block = "b"
        case character = "c"

        /// BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_DEV_CHAR.
        var number: Int32 { self == .block ? 1 : 2 }
    }

    var kind: Kind
    var major: UInt32?
    var minor: UInt32?

    func covers(_ other: DeviceSet) -> Bool {
        kind == other.kind && (major == nil || major == other.major) && (minor == nil || minor == other.minor)
    }

    /// The devices that are in both; nil where there can be none.
    func intersection(_ other: DeviceSet) -> DeviceSet? {
        guard kind == other.kind, major == nil || other.major == nil || major == other.major,
            minor == nil || other.minor == nil || minor == other.minor
        else { return nil }
        return DeviceSet(kind: kind, major: major ?? other.major, minor: minor ?? other.minor)
    }
}

/// What is done with a device: the bits of BPF_DEVCG_ACC_MKNOD, READ and WRITE.
struct DeviceAccess: OptionSet, Hashable {
    var rawValue: UInt8

    static let makeNode = DeviceAccess(rawValue: 1)
    static let read = DeviceAccess(rawValue: 2)
    static let write = DeviceAccess(rawValue: 4)
    static let all: DeviceAccess = [.makeNode, .read, .write]

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Of `r`, `w` and `m`, one at least. `a`, which is a type and no access, means nothing here, as in runc.
    init?(_ text: some StringProtocol) {
        self = []
        for letter in text where letter != "a" {
            switch letter {
            case "r": insert(.read)
            case "w": insert(.write)
            case "m": insert(.makeNode)
            default: return nil
            }
        }
        if isEmpty { return nil }
    }

    var text: String {
        (contains(.read) ? "r" : "") + (contains(.write) ? "w" : "") + (contains(.makeNode) ? "m" : "")
    }
}

/// A rule of `linux.resources.devices`, checked.
struct DeviceRule: Hashable {
    var isAllowed: Bool
    /// Nil for both.
    var kind: DeviceSet.Kind?
    var major: UInt32?
    var minor: UInt32?
    var access: DeviceAccess

    /// True for a rule about everything: what was said before it is forgotten.
    var isReset: Bool { kind == nil && major == nil && minor == nil && access == .all }

    /// - Parameter member: the rule's own, for errors: `devices[0]`.
    init(_ rule: LinuxResources.DeviceRule, _ member: String) throws(ResourceError) {
        isAllowed = rule.allow
        switch rule.type {
        case nil, "", "a": kind = nil
        case "b": kind = .block
        case "c": kind = .character
        case .some(let type):
            throw ResourceError(member + ".type", "\"\(type)\" is none of a, b and c", errno: EINVAL)
        }
        major = try Self.number(rule.major, member + ".major")
        minor = try Self.number(rule.minor, member + ".minor")
        access = .all
        if let text = rule.access {
            guard let access = DeviceAccess(text) else {
                throw ResourceError(member + ".access", "\"\(text)\" is not of r, w and m", errno: EINVAL)
            }
            self.access = access
        }
    }

    /// -1 stands for all, as nil does.
    private static func number(_ value: Int64?, _ member: String) throws(ResourceError) -> UInt32? {
        guard let value, value != -1 else { return nil }
        guard let number = UInt32(exactly: value) else {
            throw ResourceError(member, "\(value) is no number of a device", errno: EINVAL)
        }
        return number
    }

    var sets: [DeviceSet] {
        (kind.map { [$0] } ?? DeviceSet.Kind.allCases).map { DeviceSet(kind: $0, major: major, minor: minor) }
    }

    /// Checks all rules of a list.
    static func list(_ rules: [LinuxResources.DeviceRule]) throws(ResourceError) -> [DeviceRule] {
        guard rules.count <= ControlGroup.deviceRuleLimit else {
            throw ResourceError(
                "devices", "\(rules.count) rules are more than \(ControlGroup.deviceRuleLimit)", errno: E2BIG)
        }
        var result: [DeviceRule] = []
        for (index, rule) in rules.enumerated() { result.append(try DeviceRule(rule, "devices[\(index)]")) }
        return result
    }
}
