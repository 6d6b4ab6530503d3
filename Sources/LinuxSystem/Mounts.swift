import CLinux
import Glibc

/// Mounting (mount(2), umount2(2)).
public enum Mounts {
    public static func mount(
        _ source: String, on target: String, type: String = "", flags: UInt = 0, data: String = ""
    ) throws(SystemError) {
        try checked("mount \(type)", on: target, cl_mount(source, target, type.isEmpty ? nil : type, flags, data))
    }

    /// Shows `source` at `target` too; read-only needs a second step (mount_namespaces(7)).
    public static func bind(
        _ source: String, on target: String, isRecursive: Bool = true, isReadOnly: Bool = false, flags: UInt = 0
    ) throws(SystemError) {
        let recursive = isRecursive ? UInt(CL_MS_REC) : 0
        try checked("bind", on: target, cl_mount(source, target, nil, UInt(CL_MS_BIND) | recursive, nil))
        guard isReadOnly || flags != 0 else { return }
        let readOnly = isReadOnly ? UInt(CL_MS_RDONLY) : 0
        let remount = UInt(CL_MS_BIND | CL_MS_REMOUNT)
        try checked("remount", on: target, cl_mount(nil, target, nil, remount | readOnly | flags | locked(target), nil))
    }

    /// Flags of the mount at `path` that a remount has to keep.
    private static func locked(_ path: String) -> UInt {
        var information = statvfs()
        guard statvfs(path, &information) == 0 else { return 0 }
        let kept = CL_MS_NOSUID | CL_MS_NODEV | CL_MS_NOEXEC
        return UInt(information.f_flag) & UInt(kept)
    }

    public static func setPropagation(_ path: String, _ flags: UInt) throws(SystemError) {
        try checked("propagation", on: path, cl_mount(nil, path, nil, flags, nil))
    }

    /// Takes a mount away, at once for new look-ups and fully when nobody uses it any more; nothing there is fine.
    public static func detach(_ path: String) throws(SystemError) {
        let result = cl_umount(path, Int32(CL_MNT_DETACH))
        if result == -EINVAL || result == -ENOENT { return }
        try checked("umount", on: path, result)
    }
}
