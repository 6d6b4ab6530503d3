import Values

/// A table of the packet filter with all that it holds: what is wanted, or what the kernel answered (nf_tables).
public struct FilterTable: Hashable, Sendable {
    /// Address families (NFPROTO_*).
    public enum Family: UInt8, Hashable, Sendable {
        case v4 = 2
        case netdev = 5
    }

    public var family: Family
    public var name: String
    public var sets: [String: FilterSet]
    public var chains: [String: FilterChain]

    public init(family: Family, name: String, sets: [String: FilterSet] = [:], chains: [String: FilterChain] = [:]) {
        self.family = family
        self.name = name
        self.sets = sets
        self.chains = chains
    }
}

/// A set, a map or a verdict map: constant-time look-up by key.
public struct FilterSet: Hashable, Sendable {
    public enum Content: Hashable, Sendable {
        case keys
        /// Values of `length` bytes; `type` is nft's number for printing.
        case values(type: UInt32, length: Int)
        case verdicts
    }

    /// What an element carries beside its key.
    public struct Element: Hashable, Sendable {
        public enum Value: Hashable, Sendable {
            case none
            case bytes([UInt8])
            case verdict(FilterVerdict)
        }

        public var value: Value
        /// Shown by nft; the owner of the entry.
        public var comment: String?

        public init(_ value: Value = .none, comment: String? = nil) {
            self.value = value
            self.comment = comment
        }
    }

    /// nft's number of the key's type, for printing; concatenated types are 6 bits each.
    public var keyType: UInt32
    /// In bytes, each part of a concatenated key padded to four.
    public var keyLength: Int
    public var content: Content
    public var elements: [[UInt8]: Element]

    public init(keyType: UInt32, keyLength: Int, content: Content = .keys, elements: [[UInt8]: Element] = [:]) {
        self.keyType = keyType
        self.keyLength = keyLength
        self.content = content
        self.elements = elements
    }
}

/// A chain: its hook, where it has one, and its rules.
public struct FilterChain: Hashable, Sendable {
    public struct Hook: Hashable, Sendable {
        /// `filter` or `nat`.
        public var type: String
        public var number: UInt32
        public var priority: Int32
        /// For `netdev`: the link.
        public var device: String?

        public static let prerouting: UInt32 = 0
        public static let forward: UInt32 = 2
        public static let output: UInt32 = 3
        public static let postrouting: UInt32 = 4
        /// Of the netdev family.
        public static let egress: UInt32 = 1

        public init(type: String, number: UInt32, priority: Int32, device: String? = nil) {
            self.type = type
            self.number = number
            self.priority = priority
            self.device = device
        }
    }

    public var hook: Hook?
    public var rules: [FilterRule]

    public init(hook: Hook? = nil, rules: [FilterRule] = []) {
        self.hook = hook
        self.rules = rules
    }
}

/// A rule, known again by a tag that the kernel keeps for us: the hash of its text and its steps.
public struct FilterRule: Hashable, Sendable {
    /// As a person would write it.
    public var text: String
    /// Of a rule that was read back: how many steps the kernel holds are in the tag, not here.
    public var expressions: [FilterExpression]
    public var tag: String

    public init(_ text: String, _ expressions: [FilterExpression]) {
        self.text = text
        self.expressions = expressions
        tag = Self.tag(text, expressions)
    }

    /// A rule of the kernel.
    init(tag: String) {
        text = ""
        expressions = []
        self.tag = tag
    }

    /// FNV-1a, 64 bits, and the number of steps.
    private static func tag(_ text: String, _ expressions: [FilterExpression]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in Array(text.utf8) + expressions.flatMap({ Array($0.name.utf8) + $0.data }) {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        return "\(String(hash, radix: 16)).\(expressions.count)"
    }
}
