import CLinux
import Glibc
import LinuxSystem

/// The host's own /proc, opened before a container is made: what is written there cannot be led elsewhere by what the
/// container mounts (CVE-2025-52881). Files of the current process and of its namespaces are the writer's.
public struct HostProc: ~Copyable {
    let directory: Descriptor

    private static let magic: Int64 = 0x9fa0
    /// The inode of a procfs's root (fs/proc/root.c).
    private static let rootInode: UInt64 = 1

    public init() throws { directory = try Self.open() }

    private static func open() throws -> Descriptor {
        let directory = try Descriptor.open("/proc", pathOnly | O_DIRECTORY)
        var information = stat()
        try syscall("stat", on: "/proc") { fstat(directory.rawValue, &information) }
        guard cl_filesystem_type(directory.rawValue) == magic, information.st_ino == rootInode else {
            throw SetupError("/proc of this host is no procfs")
        }
        return directory
    }

    init(sharing other: borrowing HostProc) throws(SystemError) {
        directory = try MountTree.reopen(other.directory.rawValue)
    }

    /// Writes into a file beneath /proc, in one call.
    func write(_ path: String, _ value: String) throws(SystemError) {
        guard Guard.procFile.holds else { return try Files.set("/proc/" + path, value) }
        let resolve = UInt64(CL_RESOLVE_BENEATH | CL_RESOLVE_NO_MAGICLINKS | CL_RESOLVE_NO_XDEV)
        let file = Descriptor(
            owning: try checked(
                "open", on: "/proc/" + path,
                cl_openat2(directory.rawValue, path, O_WRONLY | O_CLOEXEC, 0, resolve)))
        let bytes = Array(value.utf8)
        try syscall("write", on: "/proc/" + path) { Glibc.write(file.rawValue, bytes, bytes.count) }
    }

    func text(_ path: String) throws(SystemError) -> String {
        let resolve = UInt64(CL_RESOLVE_BENEATH | CL_RESOLVE_NO_MAGICLINKS | CL_RESOLVE_NO_XDEV)
        let file = Descriptor(
            owning: try checked(
                "open", on: "/proc/" + path,
                cl_openat2(directory.rawValue, path, O_RDONLY | O_CLOEXEC, 0, resolve)))
        return String(decoding: try Bytes.readToEnd(file.rawValue, limit: 1 << 20), as: UTF8.self)
    }
}
