/// One entry of `HostConfig.Binds`, `source:target[:options]`.
public struct BindSpecification: Hashable, Sendable {
    /// A path of the host or a volume's name; nil for an anonymous volume.
    public var source: String?
    public var target: String
    /// The options as they were given.
    public var mode: String
    public var isReadOnly: Bool
    public var noCopy: Bool
    /// `rprivate` by default.
    public var propagation: String

    public var isHostPath: Bool { source?.hasPrefix("/") ?? false }

    private static let propagations: Set<String> = ["private", "rprivate", "shared", "rshared", "slave", "rslave"]

    public init(parsing text: String) throws(EngineError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (1...3).contains(parts.count), !parts.contains("") else {
            throw EngineError(.invalidParameter, "invalid volume specification: '\(text)'")
        }
        source = parts.count > 1 ? parts[0] : nil
        target = PathText.clean(parts.count > 1 ? parts[1] : parts[0])
        guard target.hasPrefix("/") else {
            throw EngineError(
                .invalidParameter,
                "invalid volume specification: '\(text)': invalid mount config for type \"\(Self.kind(source))\": "
                    + "invalid mount path: '\(target)' mount path must be absolute")
        }
        guard target != "/" else {
            throw EngineError(
                .invalidParameter, "invalid volume specification: '\(text)': destination can't be '/'")
        }
        mode = parts.count > 2 ? parts[2] : ""
        isReadOnly = false
        noCopy = false
        propagation = "rprivate"
        for option in mode.split(separator: ",") {
            switch option {
            case "ro": isReadOnly = true
            case "rw", "z", "Z", "cached", "delegated", "consistent": break
            case "nocopy": noCopy = true
            case _ where Self.propagations.contains(String(option)): propagation = String(option)
            default: throw EngineError(.invalidParameter, "invalid mode: \(mode)")
            }
        }
    }

    private static func kind(_ source: String?) -> String { source?.hasPrefix("/") ?? false ? "bind" : "volume" }
}

/// Paths as text (path_resolution(7) without looking at the file system).
public enum PathText {
    /// The path without `.`, `..`, double and trailing slashes.
    public static func clean(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part != ".." {
                parts.append(part)
            } else if let last = parts.last, last != ".." {
                parts.removeLast()
            } else if !path.hasPrefix("/") {
                parts.append(part)
            }
        }
        let joined = parts.joined(separator: "/")
        return path.hasPrefix("/") ? "/" + joined : joined.isEmpty ? "." : joined
    }
}
