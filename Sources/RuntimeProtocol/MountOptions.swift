/// Options of a mount as mount(8) takes them, taken apart into attributes of the mount and data for the file system.
public struct MountOptions: Hashable, Sendable {
    /// Attributes of a mount that options set or clear.
    public struct Attributes: OptionSet, Hashable, Sendable {
        public let rawValue: Int

        public init(rawValue: Int) { self.rawValue = rawValue }

        public static let readOnly = Attributes(rawValue: 1)
        public static let noSuid = Attributes(rawValue: 2)
        public static let noDevices = Attributes(rawValue: 4)
        public static let noExec = Attributes(rawValue: 8)
        public static let noAccessTime = Attributes(rawValue: 16)
        public static let strictAccessTime = Attributes(rawValue: 32)
    }

    public var attributes: Attributes
    /// `size` and the like, in the order given; nil where the option has no value.
    public var data: [(name: String, value: String?)]

    private static let words: [String: (set: Attributes, clear: Attributes)] = [
        "ro": (.readOnly, []), "rw": ([], .readOnly), "nosuid": (.noSuid, []), "suid": ([], .noSuid),
        "nodev": (.noDevices, []), "dev": ([], .noDevices), "noexec": (.noExec, []), "exec": ([], .noExec),
        "noatime": (.noAccessTime, .strictAccessTime), "atime": ([], .noAccessTime),
        "strictatime": (.strictAccessTime, .noAccessTime), "relatime": ([], [.noAccessTime, .strictAccessTime]),
        "defaults": ([], []), "rprivate": ([], []), "private": ([], []), "async": ([], []), "nodiratime": ([], []),
    ]

    /// Parses `size=64k,mode=1777,exec`; what comes later wins.
    public init(_ text: String, default attributes: Attributes) {
        self.attributes = attributes
        data = []
        for option in text.split(separator: ",") {
            if let word = Self.words[String(option)] {
                self.attributes.subtract(word.clear)
                self.attributes.formUnion(word.set)
                continue
            }
            let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            data.append((String(parts[0]), parts.count == 2 ? String(parts[1]) : nil))
        }
    }

    public static func == (left: MountOptions, right: MountOptions) -> Bool {
        left.attributes == right.attributes && left.data.elementsEqual(right.data, by: ==)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(attributes)
        for (name, value) in data {
            hasher.combine(name)
            hasher.combine(value)
        }
    }
}
