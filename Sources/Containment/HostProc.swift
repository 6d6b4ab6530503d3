import CLinux
import Glibc
import LinuxSystem

/// The host's own /proc, opened before a container is made: what is written there cannot be led elsewhere by what the
/// container mounts (CVE-2025-52881). Files of the current process and of its namespaces are the writer's.
public struct HostProc: ~Copyable {
    let directory: Descriptor
    private let namespaces: Namespaces

    private static let magic: Int64 = 0x9fa0
    /// The inode of a procfs's root (fs/proc/root.c).
    private static let rootInode: UInt64 = 1

    /// Namespaces of a process that have kernel parameters, by inode; nil where they cannot be told.
    struct Namespaces {
        var network: ino_t?
        var ipc: ino_t?
        var uts: ino_t?

        fileprivate init(_ directory: Int32) {
            func inode(_ name: String) -> ino_t? {
                var information = stat()
                return fstatat(directory, "self/ns/" + name, &information, 0) == 0 ? information.st_ino : nil
            }
            (network, ipc, uts) = (inode("net"), inode("ipc"), inode("uts"))
        }
    }

    /// Of a runtime, whose namespaces are noted.
    public init() throws {
        directory = try Self.open()
        namespaces = Namespaces(directory.rawValue)
    }

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
        namespaces = other.namespaces
    }

    /// Whether the current process is known to have another namespace of a kind than the runtime.
    func isSeparate(_ kind: (Namespaces) -> ino_t?) -> Bool {
        guard let own = kind(Namespaces(directory.rawValue)), let other = kind(namespaces) else { return false }
        return own != other
    }

    /// Writes into a file beneath /proc, in one call.
    func write(_ path: String, _ value: String) throws(SystemError) {
        guard Guard.procFile.holds else { return try Files.set("/proc/" + path, value) }
        let file = try open(path, O_WRONLY)
        let bytes = Array(value.utf8)
        try syscall("write", on: "/proc/" + path) { Glibc.write(file.rawValue, bytes, bytes.count) }
    }

    func text(_ path: String) throws(SystemError) -> String {
        let file = try open(path, O_RDONLY)
        return String(decoding: try Bytes.readToEnd(file.rawValue, limit: 1 << 20), as: UTF8.self)
    }

    private func open(_ path: String, _ flags: Int32) throws(SystemError) -> Descriptor {
        let rules = Int(CL_RESOLVE_BENEATH | CL_RESOLVE_NO_MAGICLINKS | CL_RESOLVE_NO_XDEV)
        return try Descriptor.open(path, at: directory.rawValue, flags, resolving: rules)
    }
}
