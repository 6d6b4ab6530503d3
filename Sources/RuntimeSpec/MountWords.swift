/// The options of a mount, taken apart (config.md: Mounts; mount(8)).
public struct MountWords: Hashable, Sendable {
    /// Attributes of a mount that options set or clear, by bits of our own.
    public struct Attributes: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32

        public init(rawValue: UInt32) { self.rawValue = rawValue }

        public static let readOnly = Attributes(rawValue: 1)
        public static let noSuid = Attributes(rawValue: 2)
        public static let noDevices = Attributes(rawValue: 4)
        public static let noExec = Attributes(rawValue: 8)
        public static let noAccessTime = Attributes(rawValue: 16)
        public static let strictAccessTime = Attributes(rawValue: 32)
        public static let noDirectoryAccessTime = Attributes(rawValue: 64)
        public static let noSymlinkFollow = Attributes(rawValue: 128)
        /// Those of which a mount has one: relatime where it has none of them.
        public static let accessTimes: Attributes = [.noAccessTime, .strictAccessTime]
    }

    public enum Propagation: String, Hashable, Sendable {
        case `private`, slave, shared, unbindable
    }

    /// How bind mounts of directories with identifiers of a user namespace are made.
    public enum IDMapped: Hashable, Sendable { case no, mount, recursive }

    /// Set and cleared on the mount itself.
    public var set: Attributes = []
    public var clear: Attributes = []
    /// The same for the mount and all beneath it.
    public var setRecursively: Attributes = []
    public var clearRecursively: Attributes = []
    public var propagation: Propagation?
    public var isPropagationRecursive = false
    public var isBind = false
    public var isRecursive = false
    public var isRemount = false
    public var idMapped = IDMapped.no
    /// What an image has at the place is copied into a tmpfs.
    public var copiesUp = false
    /// Options of the file system and its superblock, in the order given; nil where the option has no value.
    public var data: [Datum] = []

    public struct Datum: Hashable, Sendable {
        public var name: String
        public var value: String?

        public init(name: String, value: String?) {
            self.name = name
            self.value = value
        }
    }

    /// The words that `change(by:)` knows.
    private static let attributes = [
        "ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "atime", "strictatime",
        "nostrictatime", "relatime", "norelatime", "nodiratime", "diratime", "nosymfollow", "symfollow", "defaults",
    ]

    /// What a word of `attributes` sets and clears. No dictionary: a program that ends soon would make it for a few.
    private static func change(by word: String) -> (set: Attributes, clear: Attributes)? {
        switch word {
        case "ro": (.readOnly, [])
        case "rw": ([], .readOnly)
        case "nosuid": (.noSuid, [])
        case "suid": ([], .noSuid)
        case "nodev": (.noDevices, [])
        case "dev": ([], .noDevices)
        case "noexec": (.noExec, [])
        case "exec": ([], .noExec)
        case "noatime": (.noAccessTime, .strictAccessTime)
        case "atime": ([], .noAccessTime)
        case "strictatime": (.strictAccessTime, .noAccessTime)
        case "nostrictatime": ([], .strictAccessTime)
        case "relatime": ([], .accessTimes)
        case "norelatime", "defaults": ([], [])
        case "nodiratime": (.noDirectoryAccessTime, [])
        case "diratime": ([], .noDirectoryAccessTime)
        case "nosymfollow": (.noSymlinkFollow, [])
        case "symfollow": ([], .noSymlinkFollow)
        default: nil
        }
    }

    /// What holds without being asked for: for a new file system, for fsconfig(2), which says nothing in the kernel's
    /// log, and since Linux 6.1, where every file system that can count a file's versions does.
    private static let usual = ["async", "loud", "silent", "nomand", "iversion", "noiversion", "nolazytime"]
    /// Options that every file system takes.
    private static let common = ["sync", "dirsync", "lazytime", "mand"]

    /// Words in the order given; what comes later wins.
    public init(_ options: [String]) {
        for option in options {
            if let word = Self.change(by: option) {
                Self.apply(word, &set, &clear)
            } else if option.hasPrefix("r"), let word = Self.change(by: String(option.dropFirst())), option != "ro" {
                Self.apply(word, &setRecursively, &clearRecursively)
            } else if let propagation = Propagation(rawValue: option) {
                self.propagation = propagation
                isPropagationRecursive = false
            } else if option.hasPrefix("r"), let propagation = Propagation(rawValue: String(option.dropFirst())) {
                self.propagation = propagation
                isPropagationRecursive = true
            } else if !takeSpecial(option) {
                let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                data.append(Datum(name: String(parts[0]), value: parts.count == 2 ? String(parts[1]) : nil))
            }
        }
    }

    private static func apply(
        _ word: (set: Attributes, clear: Attributes), _ set: inout Attributes, _ clear: inout Attributes
    ) {
        set.subtract(word.clear)
        clear.subtract(word.set)
        set.formUnion(word.set)
        clear.formUnion(word.clear)
    }

    private mutating func takeSpecial(_ option: String) -> Bool {
        switch option {
        case "bind": isBind = true
        case "rbind":
            isBind = true
            isRecursive = true
        case "remount": isRemount = true
        case "idmap": idMapped = .mount
        case "ridmap": idMapped = .recursive
        case "tmpcopyup": copiesUp = true
        case _ where Self.usual.contains(option): break
        default: return false
        }
        return true
    }
}

extension MountWords {
    /// Every option that is not the file system's own.
    public static var names: [String] {
        let propagations = ["private", "slave", "shared", "unbindable"]
        let own = ["bind", "rbind", "remount", "idmap", "ridmap", "tmpcopyup"]
        let recursive = attributes.filter { $0 != "defaults" }.map { "r" + $0 }
        return
            (attributes + recursive + propagations + propagations.map { "r" + $0 } + own + usual
            + common).sorted()
    }
}

extension RuntimeConfiguration.Mount {
    /// Its options taken apart; mappings of its own ask for an idmapped mount too.
    public var words: MountWords {
        var words = MountWords(options ?? [])
        if words.idMapped == .no, uidMappings?.isEmpty == false { words.idMapped = .mount }
        return words
    }

    /// A part of the host's files, rather than a file system of its own.
    public func isBind(_ words: MountWords) -> Bool { words.isBind || type == "bind" }
}
