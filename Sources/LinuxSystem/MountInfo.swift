/// A mount as the kernel lists it (proc_pid_mountinfo(5)).
public struct MountInfo: Hashable, Sendable {
    /// Its number, which no other has while it is mounted.
    public let id: Int
    /// The number of the mount that it lies on.
    public let parent: Int
    /// What of its file system it shows, as a path from that one's root.
    public let root: String
    /// Where it lies, as seen from the process's root. A name that is no text has U+FFFD in it.
    public let mountPoint: String
    /// The file system's type.
    public let type: String

    /// Reads a line without its end; nil for one that is none.
    public init?(line: some Collection<UInt8>) {
        let fields = line.split(separator: 0x20, omittingEmptySubsequences: false)
        guard fields.count > 6, let separator = fields[6...].firstIndex(where: { $0.elementsEqual([0x2d]) }),
            separator + 1 < fields.count, let id = Int(Self.text(fields[0])), let parent = Int(Self.text(fields[1]))
        else { return nil }
        self.id = id
        self.parent = parent
        root = Self.text(fields[3])
        mountPoint = Self.text(fields[4])
        type = Self.text(fields[separator + 1])
    }

    /// The mounts of a whole file, in its order; lines that are none are left out.
    public static func parse(_ text: [UInt8]) -> [MountInfo] { text.split(separator: 0x0a).compactMap(Self.init) }

    /// The mounts that a process sees.
    ///
    /// - Parameter process: its number, or `self`.
    public static func all(of process: String = "self") throws(SystemError) -> [MountInfo] {
        parse(try Files.read("/proc/\(process)/mountinfo"))
    }

    /// Whether it lies at `path` or beneath it, by name alone.
    public func lies(in path: String) -> Bool {
        path == "/" || mountPoint == path || mountPoint.hasPrefix(path + "/")
    }

    /// The mount that a path without links leads to: of those whose mount points lead there the deepest, and of several
    /// on one the last.
    public static func containing(_ path: String, in mounts: [MountInfo]) -> MountInfo? {
        let around = mounts.filter {
            $0.mountPoint == "/" || $0.mountPoint == path || path.hasPrefix($0.mountPoint + "/")
        }
        return around.max { $0.mountPoint.utf8.count < $1.mountPoint.utf8.count }.flatMap {
            top(at: $0.mountPoint, in: around)
        }
    }

    /// Of the mounts on one place the one that is seen: no other lies on it there.
    public static func top(at mountPoint: String, in mounts: [MountInfo]) -> MountInfo? {
        let stack = mounts.filter { $0.mountPoint == mountPoint }
        let covered = Set(stack.map(\.parent))
        return stack.last { !covered.contains($0.id) }
    }

    /// Blanks and the like are written as three octal digits behind a backslash.
    private static func text(_ field: some Collection<UInt8>) -> String {
        var bytes: [UInt8] = []
        var rest = field[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            guard byte == 0x5c, digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) }),
                let value = UInt8(exactly: digits.reduce(0) { $0 * 8 + Int($1 - 0x30) })
            else {
                bytes.append(byte)
                continue
            }
            bytes.append(value)
            rest = rest.dropFirst(3)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
