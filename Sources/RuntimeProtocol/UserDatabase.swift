/// A container's own /etc/passwd and /etc/group, and Docker's rules for whom `USER` names in them.
public struct UserDatabase: Hashable, Sendable {
    /// A line of passwd(5).
    public struct User: Hashable, Sendable {
        public var name: String
        public var uid: UInt32
        public var gid: UInt32
        public var home: String
    }

    /// A line of group(5).
    public struct Group: Hashable, Sendable {
        public var name: String
        public var gid: UInt32
        public var members: [String]
    }

    /// Whom a process becomes.
    public struct Identity: Hashable, Sendable {
        public var uid: UInt32
        public var gid: UInt32
        /// Every group of the process, its first one included.
        public var groups: [UInt32]
        public var home: String

        public init(uid: UInt32, gid: UInt32, groups: [UInt32], home: String) {
            self.uid = uid
            self.gid = gid
            self.groups = groups
            self.home = home
        }
    }

    public var users: [User]
    public var groups: [Group]

    /// The largest identifier that Docker takes.
    private static let largest: UInt32 = 1 << 31 - 1

    /// From the files' texts; lines that are none of theirs are passed over.
    public init(passwd: String, group: String) {
        users = Self.lines(passwd).compactMap { fields in
            guard fields.count >= 4, let uid = UInt32(fields[2]), let gid = UInt32(fields[3]) else { return nil }
            return User(
                name: String(fields[0]), uid: uid, gid: gid, home: fields.count > 5 ? String(fields[5]) : "/")
        }
        groups = Self.lines(group).compactMap { fields in
            guard fields.count >= 3, let gid = UInt32(fields[2]) else { return nil }
            let members = fields.count > 3 ? fields[3].split(separator: ",").map(String.init) : []
            return Group(name: String(fields[0]), gid: gid, members: members)
        }
    }

    private static func lines(_ text: String) -> [[Substring]] {
        text.split(separator: "\n").compactMap { line in
            let first = line.first { $0 != " " && $0 != "\t" }
            guard let first, first != "#" else { return nil }
            return line.split(separator: ":", omittingEmptySubsequences: false)
        }
    }

    /// Resolves `user`, `uid`, `user:group` and so on; a number need not be in the files.
    public func resolve(_ identity: UserIdentity) throws(UnknownUser) -> Identity {
        let parts = identity.name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let user = parts.first.map(String.init) ?? ""
        let group = parts.count > 1 ? String(parts[1]) : ""
        var result = Identity(uid: 0, gid: 0, groups: [], home: "/")
        let number = user.isEmpty ? 0 : UInt32(user)
        let entry = users.first { !user.isEmpty && $0.name == user || number == $0.uid }
        if let entry {
            result = Identity(uid: entry.uid, gid: entry.gid, groups: [], home: entry.home)
        } else if !user.isEmpty {
            guard let number else {
                throw UnknownUser("unable to find user \(user): no matching entries in passwd file")
            }
            guard number <= Self.largest else { throw UnknownUser("uids and gids must be in range 0-2147483647") }
            result.uid = number
        }
        if !group.isEmpty {
            result.gid = try gid(of: group)
        } else if let name = entry?.name {
            result.groups = groups.filter { $0.members.contains(name) }.map(\.gid)
        }
        result.groups.insert(result.gid, at: 0)
        for name in identity.additionalGroups { result.groups.append(try gid(of: name)) }
        var seen: Set<UInt32> = []
        result.groups = result.groups.filter { seen.insert($0).inserted }
        if result.home.isEmpty { result.home = "/" }
        return result
    }

    private func gid(of name: String) throws(UnknownUser) -> UInt32 {
        let number = UInt32(name)
        if let group = groups.first(where: { $0.name == name || $0.gid == number }) { return group.gid }
        guard let number else {
            throw UnknownUser("unable to find group \(name): no matching entries in group file")
        }
        guard number <= Self.largest else { throw UnknownUser("uids and gids must be in range 0-2147483647") }
        return number
    }
}

/// A user or group that a container does not know; the reason in Docker's words.
public struct UnknownUser: Error, Hashable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
