import Values

/// One entry of a tar archive, as it is written there: its path is not checked.
public struct ArchiveEntry: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        case file
        case directory
        case symbolicLink(target: [UInt8])
        /// Another name for an entry before it.
        case hardLink(target: [UInt8])
        case characterDevice(major: UInt32, minor: UInt32)
        case blockDevice(major: UInt32, minor: UInt32)
        case fifo
    }

    public var path: [UInt8]
    public var kind: Kind
    /// Permission bits, with set-user-id, set-group-id and sticky.
    public var mode: UInt32
    public var owner: UInt32
    public var group: UInt32
    /// In bytes; 0 for all but files.
    public var size: Int64
    public var modified: Timestamp
    /// Extended attributes by name.
    public var attributes: [String: [UInt8]]

    public init(
        path: [UInt8], kind: Kind, mode: UInt32, owner: UInt32 = 0, group: UInt32 = 0, size: Int64 = 0,
        modified: Timestamp = .epoch, attributes: [String: [UInt8]] = [:]
    ) {
        self.path = path
        self.kind = kind
        self.mode = mode
        self.owner = owner
        self.group = group
        self.size = size
        self.modified = modified
        self.attributes = attributes
    }

    public init(_ path: String, _ kind: Kind = .file, mode: UInt32 = 0o644, size: Int64 = 0) {
        self.init(path: Array(path.utf8), kind: kind, mode: mode, size: size)
    }
}
