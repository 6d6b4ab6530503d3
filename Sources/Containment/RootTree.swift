import CLinux
import Glibc
import LinuxSystem
import RuntimeSpec

/// A container's root by descriptor. Every path in it is resolved as if it were `/`: links cannot lead out (openat2(2),
/// RESOLVE_IN_ROOT).
struct RootTree: ~Copyable {
    let descriptor: Descriptor

    /// Opens what is there, for reference (O_PATH) unless `flags` say otherwise; nil where there is nothing.
    func open(_ path: String, _ flags: Int32 = pathOnly) throws(SystemError) -> Descriptor? {
        do {
            if Guard.mountTarget.holds { return try Descriptor.open(path, inRoot: descriptor.rawValue, flags) }
            return try Descriptor.open("./" + path, at: descriptor.rawValue, flags, resolving: 0)
        } catch {
            if error.errno == ENOENT || error.errno == ENOTDIR { return nil }
            throw SystemError("open", path, errno: error.errno)
        }
    }

    /// What is at `path` where no component of it is a link; nil otherwise.
    func openDirect(_ path: String) throws(SystemError) -> Descriptor? {
        let rules = Int(CL_RESOLVE_IN_ROOT | CL_RESOLVE_NO_SYMLINKS)
        do {
            return try Descriptor.open(path, at: descriptor.rawValue, pathOnly, resolving: rules)
        } catch {
            if error.errno == ENOENT || error.errno == ELOOP { return nil }
            throw error
        }
    }

    /// A directory, made with those above it where it is missing.
    func directory(_ path: String) throws(SystemError) -> Descriptor {
        let found = try existing(path, makingFile: false)
        if try Self.kind(found.rawValue, path) != S_IFDIR {
            throw SystemError("mount a directory", path, errno: ENOTDIR)
        }
        return found
    }

    /// A file to mount on, made empty with the directories above it where it is missing.
    func file(_ path: String) throws(SystemError) -> Descriptor {
        let found = try existing(path, makingFile: true)
        // mount(2) says it so of both, and dockerd explains it then.
        if try Self.kind(found.rawValue, path) == S_IFDIR { throw SystemError("mount a file", path, errno: ENOTDIR) }
        return found
    }

    /// What is at `path`; what is missing of it is made, also where a link leads to nothing yet.
    private func existing(_ path: String, makingFile: Bool) throws(SystemError) -> Descriptor {
        if let found = try open(path) { return found }
        var pending = ContainerPath.components(path)
        // The way so far, without links.
        var real: [String] = []
        var links = 0
        while !pending.isEmpty {
            let name = pending.removeFirst()
            if name == ".." {
                _ = real.popLast()
                continue
            }
            let next = ContainerPath.text((real + [name])[...])
            guard let child = try open(next, pathOnly | O_NOFOLLOW) else {
                try make(name, in: ContainerPath.text(real[...]), isFile: makingFile && pending.isEmpty)
                real.append(name)
                continue
            }
            guard try Self.kind(child.rawValue, next) == S_IFLNK else {
                real.append(name)
                continue
            }
            links += 1
            guard links <= Self.linkLimit else { throw SystemError("open", path, errno: ELOOP) }
            let target = try Self.target(child.rawValue, next)
            if target.hasPrefix("/") { real = [] }
            pending = target.split(separator: "/").map(String.init).filter { $0 != "." } + pending
        }
        let resolved = ContainerPath.text(real[...])
        guard let found = try openDirect(resolved) else { throw SystemError("open", path, errno: ENOENT) }
        return found
    }

    /// Links followed for one path at most (path_resolution(7)).
    private static let linkLimit = 40

    /// Somebody else may make the same at this moment, in a volume of several containers.
    private func make(_ name: String, in parent: String, isFile: Bool) throws(SystemError) {
        guard let directory = try openDirect(parent) else { throw SystemError("open", parent, errno: ENOENT) }
        do {
            if isFile {
                let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
                close(try syscall("create", on: parent + "/" + name) { openat(directory.rawValue, name, flags, 0o755) })
            } else {
                try syscall("mkdir", on: parent + "/" + name) { mkdirat(directory.rawValue, name, 0o755) }
            }
        } catch {
            if error.errno != EEXIST { throw error }
        }
    }

    private static func target(_ link: Int32, _ path: String) throws(SystemError) -> String {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = try syscall("readlink", on: path) {
            buffer.withUnsafeMutableBytes {
                readlinkat(link, "", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
            }
        }
        return String(decoding: buffer[..<length], as: UTF8.self)
    }

    private static func kind(_ descriptor: Int32, _ path: String) throws(SystemError) -> mode_t {
        var information = stat()
        try syscall("stat", on: path) { fstat(descriptor, &information) }
        return information.st_mode & S_IFMT
    }

}

/// Whether two descriptors are open on one file.
func sameFile(_ left: Int32, _ right: Int32) -> Bool {
    var first = stat()
    var second = stat()
    return fstat(left, &first) == 0 && fstat(right, &second) == 0 && first.st_dev == second.st_dev
        && first.st_ino == second.st_ino
}
