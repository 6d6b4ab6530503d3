import CLinux
import Glibc
import LinuxSystem
import RuntimeProtocol

/// Makes the mount of a container's root (overlayfs, Documentation/filesystems/overlayfs.rst).
enum RootMount {
    /// The root as a mount; `scratch` is a directory of this mount namespace to attach it to.
    ///
    /// - Parameters:
    ///   - tree: a copy of the root where it is a directory.
    ///   - propagation: of the root and the mounts beneath it; a copy of a shared mount would be the host's peer.
    static func make(
        _ root: RootFilesystem, tree taken: Int32?, scratch: String, propagation: Int
    ) throws -> RootTree {
        let target = try Descriptor.open(scratch, pathOnly | O_DIRECTORY)
        let tree: Descriptor
        switch root {
        case .directory(let path, _):
            guard let taken else { throw SetupError("root.path: \(path) was not opened") }
            tree = try MountTree.reopen(taken)
        case .overlay(let lower, let upper, _, _) where lower.isEmpty:
            tree = try MountTree.clone(upper, recursive: false)
        case .overlay(let lower, let upper, let work, _):
            if let overlay = try overlay(lower: lower, upper: upper, work: work) {
                tree = overlay
            } else {
                return RootTree(descriptor: try oldOverlay(lower: lower, upper: upper, work: work, on: scratch))
            }
        }
        try MountTree.change(tree.rawValue, propagation: propagation, recursive: true)
        try MountTree.attach(tree.rawValue, onto: target.rawValue, shown: scratch)
        return RootTree(descriptor: tree)
    }

    /// Nil where the kernel does not take layers one by one: before 6.8 it refuses the name, before 6.5 it takes any
    /// name and refuses the whole without a word.
    private static func overlay(lower: [String], upper: String, work: String) throws -> Descriptor? {
        let context = Descriptor(owning: try checked("fsopen", on: "overlay", cl_fsopen("overlay")))
        func set(_ name: String, _ value: String) -> Int32 { cl_fsconfig_string(context.rawValue, name, value) }
        for (index, layer) in lower.enumerated() {
            let result = set("lowerdir+", layer)
            if result == -EINVAL, index == 0 { return nil }
            try checked("overlay layer", on: layer, result)
        }
        try checked("overlay upper directory", on: upper, set("upperdir", upper))
        try checked("overlay work directory", on: work, set("workdir", work))
        try checked("mount overlay", set("source", "overlay"))
        // What these would write into the upper directory makes it useless as a layer; kernels without them need
        // nothing.
        for name in ["index", "metacopy"] { _ = set(name, "off") }
        let mount = cl_fsmount(context.rawValue, 0)
        guard mount >= 0 else {
            var text = [CChar](repeating: 0, count: 512)
            let length = cl_fscontext_message(context.rawValue, &text, text.count)
            let message = String(
                decoding: text.prefix(Int(max(0, length))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if mount == -EINVAL, length <= 0 { return nil }
            throw SystemError("mount overlay", length > 0 ? message : upper, errno: -mount)
        }
        return Descriptor(owning: mount)
    }

    /// The old interface takes all options in one page, so layers are named by descriptors.
    private static func oldOverlay(
        lower: [String], upper: String, work: String, on scratch: String
    ) throws -> Descriptor {
        var opened: [Int32] = []
        defer { for descriptor in opened { close(descriptor) } }
        func name(_ path: String) throws -> String {
            opened.append(try Descriptor.open(path, pathOnly | O_DIRECTORY).release())
            return "/proc/self/fd/\(opened.last!)"
        }
        let layers = try lower.map(name).joined(separator: ":")
        let data = "lowerdir=\(layers),upperdir=\(try name(upper)),workdir=\(try name(work)),index=off,metacopy=off"
        guard data.utf8.count < 4096 else {
            throw SetupError("\(lower.count) layers are more than this kernel mounts: use Linux 6.8 or newer")
        }
        try Mounts.mount("overlay", on: scratch, type: "overlay", data: data)
        return try Descriptor.open(scratch, pathOnly | O_DIRECTORY)
    }
}
