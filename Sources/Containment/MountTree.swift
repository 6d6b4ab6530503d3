import CLinux
import Glibc
import LinuxSystem
import RuntimeSpec

/// Opens for reference only (open(2)); a GNU name that the C library's module hides.
public let pathOnly = Int32(CL_O_PATH)

/// Mounts that are made or copied first and attached by descriptor afterwards (fsopen(2), open_tree(2), move_mount(2)),
/// so that no path is looked up twice.
enum MountTree {
    /// A new mount of a file system, not attached yet.
    static func create(
        _ type: String, source: String? = nil, options: [MountWords.Datum] = [], attributes: Int = 0
    ) throws(SystemError) -> Descriptor {
        let context = Descriptor(owning: try checked("fsopen", on: type, cl_fsopen(type)))
        if let source { try checked("mount", on: type, cl_fsconfig_string(context.rawValue, "source", source)) }
        for option in options {
            let name = option.name
            let value = option.value
            let result =
                if let value {
                    cl_fsconfig_string(context.rawValue, name, value)
                } else {
                    cl_fsconfig_flag(context.rawValue, name)
                }
            try checked("mount", on: "\(type) with \(name)=\(value ?? "")", result)
        }
        let mount = cl_fsmount(context.rawValue, UInt32(attributes))
        return Descriptor(owning: try checked("mount", on: type, mount))
    }

    /// Whether fsconfig(2) refuses these, which takes strings of 255 bytes: layers of overlayfs are longer.
    static func needsOldInterface(source: String, options: [MountWords.Datum]) -> Bool {
        source.utf8.count > 255 || options.contains { ($0.value ?? "").utf8.count > 255 }
    }

    /// A new mount on the directory that `target` is open on, with all options in one page (mount(2)).
    static func mount(
        _ type: String, source: String, options: [MountWords.Datum], onto target: Int32, shown: String
    ) throws {
        let data = options.map { option in option.value.map { option.name + "=" + $0 } ?? option.name }
            .joined(separator: ",")
        guard data.utf8.count < 4096 else {
            throw SetupError("\(shown): mount options of \(data.utf8.count) bytes are more than the kernel takes, 4095")
        }
        try checked("mount \(type)", on: shown, cl_mount(source, "/proc/self/fd/\(target)", type, 0, data))
    }

    /// A copy of the mount at a path of this namespace, not attached yet.
    static func clone(_ path: String, recursive: Bool) throws(SystemError) -> Descriptor {
        Descriptor(
            owning: try checked("open_tree", on: path, cl_open_tree_at(AT_FDCWD, path, 1, recursive ? 1 : 0)))
    }

    /// A copy of what `descriptor` is open on.
    static func clone(of descriptor: Int32, recursive: Bool = false) throws(SystemError) -> Descriptor {
        Descriptor(owning: try checked("open_tree", cl_open_tree_at(descriptor, "", 1, recursive ? 1 : 0)))
    }

    static func attach(_ tree: Int32, onto target: Int32, shown: String) throws(SystemError) {
        try checked("move_mount", on: shown, cl_move_mount_onto(tree, target))
    }

    /// Changes what `tree` is open on, or the mount at `path`.
    static func change(
        _ tree: Int32, path: String = "", set: Int = 0, clear: Int = 0, propagation: Int = 0, recursive: Bool = false
    ) throws(SystemError) {
        try checked(
            "mount_setattr", on: path,
            cl_mount_setattr(tree, path, recursive ? 1 : 0, UInt64(set), UInt64(clear), UInt64(propagation)))
    }

    /// Makes the mount that `path` lies on private: what is mounted on it is seen in this namespace alone.
    static func makePrivate(around path: String) throws {
        let real = try Files.realPath(path)
        let point = MountInfo.containing(real, in: try MountInfo.all())?.mountPoint
        try change(AT_FDCWD, path: point ?? "/", propagation: Int(CL_MS_PRIVATE))
    }

    /// Another descriptor for the same place.
    static func reopen(_ descriptor: Int32) throws(SystemError) -> Descriptor {
        Descriptor(owning: try syscall("dup") { fcntl(descriptor, F_DUPFD_CLOEXEC, 3) })
    }
}
