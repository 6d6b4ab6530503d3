/// Where systemd is asked to put a container: `slice:prefix:name`, as runc takes it with `--systemd-cgroup`.
///
/// A name that ends in `.slice` is a slice's own; any other makes the scope `prefix-name.scope` in the slice.
public struct SystemdCgroupPath: Hashable, Sendable {
    /// `machine.slice`; `-.slice` is the root.
    public let slice: String
    public let prefix: String
    public let name: String
    /// The unit's name: `martlet-web.scope`.
    public let unit: String

    /// The longest name of a unit, in bytes (systemd.unit(5)).
    public static let unitNameLimit = 255
    /// The prefix of scopes of containers whose configuration names no path.
    public static let defaultPrefix = "martlet"

    /// - Parameters:
    ///   - cgroupsPath: the configuration's; nil or empty for `<default slice>:martlet:<identifier>`.
    ///   - identifier: the container's.
    ///   - scope: the user's own systemd puts containers into `user.slice`, the machine's into `system.slice`.
    /// - Throws: ``SystemdError/invalidName(_:reason:)``
    public init(cgroupsPath: String?, identifier: String, scope: SystemdScope = .system) throws(SystemdError) {
        let text = cgroupsPath.flatMap { $0.isEmpty ? nil : $0 } ?? ":\(Self.defaultPrefix):\(identifier)"
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3 else {
            throw .invalidName(
                text, reason: "is no \"slice:prefix:name\", which linux.cgroupsPath has with systemd's cgroups")
        }
        guard !parts[2].isEmpty else { throw .invalidName(text, reason: "has no name behind the second colon") }
        slice = parts[0].isEmpty ? (scope == .user ? "user.slice" : "system.slice") : parts[0]
        prefix = parts[1]
        name = parts[2]
        unit = name.hasSuffix(".slice") ? name : "\(prefix)-\(name).scope"
        _ = try Self.expand(slice)
        try Self.check(unit)
        if isSlice { _ = try Self.expand(unit) }
    }

    public var isSlice: Bool { unit.hasSuffix(".slice") }

    /// The group's path beneath what systemd manages: `/machine.slice/martlet-web.scope`. A user's own systemd manages
    /// only what lies beneath its ``SystemdManager/controlGroup(_:)``.
    public var controlGroup: String {
        if isSlice { return Self.slicePath(unit) }
        let parent = Self.slicePath(slice)
        return parent == "/" ? "/" + unit : parent + "/" + unit
    }

    /// The path of a slice: each `-` in its name is a step down, `a-b.slice` is `/a.slice/a-b.slice`
    /// (systemd.slice(5)).
    public static func expand(_ slice: String) throws(SystemdError) -> String {
        guard slice.hasSuffix(".slice") else {
            throw .invalidName(slice, reason: "is no slice: it has to end in .slice")
        }
        try check(slice)
        guard !slice.utf8.contains(UInt8(ascii: "@")) else {
            throw .invalidName(slice, reason: "has an @, as no slice")
        }
        let stem = slice.dropLast(6)
        let steps = stem.split(separator: "-", omittingEmptySubsequences: false)
        guard stem == "-" || steps.allSatisfy({ !$0.isEmpty }) else {
            throw .invalidName(
                slice,
                reason: "has an empty step: a slice's name neither begins nor ends with \"-\""
                    + ", nor has two in a row")
        }
        return slicePath(slice)
    }

    private static func slicePath(_ slice: String) -> String {
        let stem = slice.dropLast(6)
        if stem == "-" { return "/" }
        var path = ""
        var name = ""
        for step in stem.split(separator: "-") {
            name += name.isEmpty ? step : "-" + step
            path += "/" + name + ".slice"
        }
        return path
    }

    /// Names of units are ASCII letters, digits and `:-_.\@` (systemd.unit(5)).
    static func check(_ unit: String) throws(SystemdError) {
        guard unit.utf8.count <= unitNameLimit else {
            throw .invalidName(unit, reason: "has \(unit.utf8.count) bytes, a unit's name at most \(unitNameLimit)")
        }
        guard let stem = unit.lastIndex(of: "."), stem != unit.startIndex, unit.first != "@" else {
            throw .invalidName(unit, reason: "is no unit's name")
        }
        let others = Array(":-_.\\@".utf8)
        guard unit.utf8.allSatisfy({ DBusValue.isNameByte($0) || others.contains($0) }) else {
            throw .invalidName(unit, reason: "has characters other than ASCII letters, digits and :-_.\\@")
        }
    }
}
