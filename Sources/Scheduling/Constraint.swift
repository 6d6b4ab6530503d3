import ClusterModel

/// A condition on nodes, as `--constraint` writes it: `node.labels.zone==a`, `node.role != manager`.
public struct Constraint: Hashable, Sendable, CustomStringConvertible {
    /// Why a text is no constraint; the messages are Docker's.
    public struct Invalid: Error, Hashable, CustomStringConvertible {
        public let description: String
    }

    public let key: String
    public let isEqual: Bool
    public let value: String

    public init(_ text: String) throws(Invalid) {
        let isEqual: Bool
        let parts: [Substring]
        if let range = text.firstRange(of: "==") {
            isEqual = true
            parts = [text[..<range.lowerBound], text[range.upperBound...]]
        } else if let range = text.firstRange(of: "!=") {
            isEqual = false
            parts = [text[..<range.lowerBound], text[range.upperBound...]]
        } else {
            throw Invalid(description: "constraint expected one operator from ==, !=")
        }
        let key = Self.trimmed(parts[0])
        let value = Self.trimmed(parts[1])
        guard !key.isEmpty, key.utf8.allSatisfy(Self.isKeyCharacter) else {
            throw Invalid(description: "key '\(key)' is invalid")
        }
        guard !value.isEmpty, !value.contains("="), !value.contains("!") else {
            throw Invalid(description: "value '\(value)' is invalid")
        }
        self.key = key
        self.isEqual = isEqual
        self.value = value
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text.drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }

    private static func isKeyCharacter(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
            || byte == 0x2e || byte == 0x2d || byte == 0x5f || byte == 0x2f
    }

    public var description: String { "\(key)\(isEqual ? "==" : "!=")\(value)" }

    /// Whether a node meets it. Keys in any case, values too except identifiers and labels; an unknown key meets
    /// nothing.
    public func matches(_ node: NodeObject) -> Bool {
        guard let (actual, ignoresCase) = Self.attribute(key, of: node) else { return false }
        let isSame = ignoresCase ? actual.lowercased() == value.lowercased() : actual == value
        return isSame == isEqual
    }

    /// A node's attribute by its name, and whether its case counts; nil for an unknown name.
    static func attribute(_ key: String, of node: NodeObject) -> (value: String, ignoresCase: Bool)? {
        let lower = key.lowercased()
        switch lower {
        case "node.id": return (node.id, false)
        case "node.hostname": return (node.description?.hostname ?? "", true)
        case "node.ip": return (node.status.addr, false)
        case "node.role": return (node.spec.role.rawValue, true)
        case "node.platform.os": return (node.description?.platform.os ?? "", true)
        case "node.platform.arch": return (node.description?.platform.architecture ?? "", true)
        default: break
        }
        if lower.hasPrefix("node.labels.") {
            return (node.spec.labels[String(key.dropFirst("node.labels.".count))] ?? "", false)
        }
        if lower.hasPrefix("engine.labels.") {
            return (node.description?.engine.labels[String(key.dropFirst("engine.labels.".count))] ?? "", false)
        }
        return nil
    }
}
