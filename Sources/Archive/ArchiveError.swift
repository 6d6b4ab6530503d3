import LinuxSystem

/// Why an archive cannot be read, unpacked or written.
public struct ArchiveError: Error, Hashable, CustomStringConvertible {
    public enum Kind: String, Sendable {
        /// It is cut short, damaged, or no archive at all.
        case corrupted
        /// A name or a link in it leads out of the directory.
        case escape
        /// It is larger than what is allowed.
        case limit
        /// The system refused to make what it holds.
        case system
    }

    public let kind: Kind
    public let message: String
    /// The entry; nil where the whole is meant.
    public let path: String?

    public init(_ kind: Kind, _ message: String, path: String? = nil) {
        self.kind = kind
        self.message = message
        self.path = path
    }

    init(_ error: SystemError, path: ArchivePath? = nil) {
        self.init(.system, error.description, path: path?.description)
    }

    public var description: String { path.map { "\"\($0)\": \(message)" } ?? message }
}

/// Runs `body`, whose errors of the system become errors about `path`.
func naming<Result>(_ path: ArchivePath?, _ body: () throws -> Result) throws(ArchiveError) -> Result {
    do {
        return try body()
    } catch let error as SystemError {
        throw ArchiveError(error, path: path)
    } catch let error as ArchiveError {
        throw error
    } catch {
        throw ArchiveError(.system, "\(error)", path: path?.description)
    }
}

/// What an archive from outside may cost.
public struct ArchiveLimits: Sendable {
    /// The most bytes of the uncompressed archive and of the files in it.
    public var bytes: Int64
    /// The most entries.
    public var entries: Int
    /// The longest path in bytes.
    public var pathBytes: Int

    public init(bytes: Int64 = 256 << 30, entries: Int = 8_000_000, pathBytes: Int = 4095) {
        self.bytes = bytes
        self.entries = entries
        self.pathBytes = pathBytes
    }
}
