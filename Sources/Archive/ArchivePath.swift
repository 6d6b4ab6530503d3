/// A relative path in an archive: names without `.` and `..`; no names at all for the root.
///
/// Paths are bytes, since names on Linux need not be text.
public struct ArchivePath: Hashable, Sendable, CustomStringConvertible {
    /// The longest name in bytes (NAME_MAX).
    public static let maximumNameBytes = 255

    public let names: [[UInt8]]

    init(names: [[UInt8]]) { self.names = names }

    /// Takes apart the path of an entry. Refused: absolute paths, `..`, and what is too long.
    public init(_ bytes: [UInt8], limits: ArchiveLimits = ArchiveLimits()) throws(ArchiveError) {
        let text = String(decoding: bytes.prefix(limits.pathBytes), as: UTF8.self)
        guard bytes.count <= limits.pathBytes else {
            throw ArchiveError(.limit, "a path longer than \(limits.pathBytes) bytes", path: text)
        }
        guard bytes.first != UInt8(ascii: "/") else { throw ArchiveError(.escape, "an absolute path", path: text) }
        var names: [[UInt8]] = []
        for name in bytes.split(separator: UInt8(ascii: "/")) where !name.elementsEqual(".".utf8) {
            if name.elementsEqual("..".utf8) {
                throw ArchiveError(.escape, "the path leads out of the archive", path: text)
            }
            guard name.count <= Self.maximumNameBytes, !name.contains(0) else {
                throw ArchiveError(.limit, "a name longer than \(Self.maximumNameBytes) bytes", path: text)
            }
            names.append(Array(name))
        }
        self.names = names
    }

    public init(_ text: String, limits: ArchiveLimits = ArchiveLimits()) throws(ArchiveError) {
        try self.init(Array(text.utf8), limits: limits)
    }

    public var isRoot: Bool { names.isEmpty }
    /// The names with slashes between them.
    var bytes: [UInt8] { Array(names.joined(separator: [0x2f])) }
    var name: [UInt8] { names.last ?? [] }
    var parent: ArchivePath { ArchivePath(names: names.dropLast()) }

    /// The path for system calls; `.` for the root.
    var cString: [CChar] { Self.cString(names.isEmpty ? Array(".".utf8) : bytes) }
    var cName: [CChar] { Self.cString(name) }

    static func cString(_ bytes: [UInt8]) -> [CChar] { bytes.map { CChar(bitPattern: $0) } + [0] }

    public var description: String {
        names.isEmpty ? "." : String(decoding: bytes, as: UTF8.self)
    }

    /// Where a symbolic link at this path leads as far as names alone tell; nil where it climbs above the root. An
    /// absolute link starts at the root: that is the container's.
    public func resolving(link target: [UInt8]) -> ArchivePath? {
        var names = target.first == UInt8(ascii: "/") ? [] : Array(self.names.dropLast())
        for name in target.split(separator: UInt8(ascii: "/")) where !name.elementsEqual(".".utf8) {
            if !name.elementsEqual("..".utf8) {
                names.append(Array(name))
            } else if names.popLast() == nil, target.first != UInt8(ascii: "/") {
                return nil
            }
        }
        return ArchivePath(names: names)
    }
}
