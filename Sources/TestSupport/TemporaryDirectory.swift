import Glibc
import LinuxSystem

/// A new directory for one test, removed with everything in it when the last reference goes.
///
/// The directory lies on the disk's own filesystem, so that it can hold overlayfs's upper directories.
public final class TemporaryDirectory: Sendable {
    public let path: String

    /// Makes `/var/tmp/martlet-<name>-XXXXXX`.
    public init(_ name: String = "test") throws {
        var template = Array("/var/tmp/martlet-\(name)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", name, errno: errno) }
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { Self.remove(path) }

    /// Removes the directory now; mounts left below it are detached first.
    public func remove() { Self.remove(path) }

    /// A path in the directory; nothing is made there.
    public func path(_ name: String) -> String { path + "/" + name }

    /// Writes a file into the directory, with the directories above it.
    ///
    /// - Returns: the file's path.
    @discardableResult
    public func write(_ name: String, _ text: String, mode: mode_t = 0o644) throws -> String {
        try Files.makeDirectories(Files.parent(of: path(name)))
        try Files.write(path(name), text, mode: mode)
        return path(name)
    }

    private static func remove(_ path: String) {
        for mount in ((try? MountInfo.all()) ?? []).reversed() where mount.mountPoint.hasPrefix(path + "/") {
            try? Mounts.detach(mount.mountPoint)
        }
        try? Files.removeTree(path)
    }
}
