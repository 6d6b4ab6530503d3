/// One text for one file of a group.
public struct GroupWrite: Hashable, Sendable {
    /// What happens where the kernel does not have the file.
    public enum Absence: Hashable, Sendable {
        case fails
        /// The limit is then what the kernel does anyway.
        case isSkipped
        case replaced(file: String, text: String)
    }

    /// The v1 controller in whose directory the file is; nil for v2's directory.
    public var controller: String?
    public var file: String
    public var text: String
    public var absence: Absence
    /// Where the kernel refuses it with EINVAL it is written again after all others: it depends on one of them, and
    /// which has to come first on what is in force (a limit of memory may not be above that of memory and swap).
    public var isRepeated: Bool
    /// The member that asks for it, without `linux.resources.`.
    public var member: String

    public init(
        _ controller: String?, _ file: String, _ text: String, absence: Absence = .fails, isRepeated: Bool = false,
        member: String
    ) {
        self.controller = controller
        self.file = file
        self.text = text
        self.absence = absence
        self.isRepeated = isRepeated
        self.member = member
    }
}

/// A limit that is refused where the group uses as much already (`checkBeforeUpdate`). v1's kernel does so by itself.
public struct UsageCheck: Hashable, Sendable {
    /// In v2's directory: `memory.current`.
    public var file: String
    public var limit: Int64
    public var member: String

    public init(file: String, limit: Int64, member: String) {
        self.file = file
        self.limit = limit
        self.member = member
    }
}
