import Glibc
import LinuxSystem

/// A group's directory and those below it, which the container may have made: of any number and depth, one descriptor
/// open at a time. Links are not followed.
enum GroupTree {
    /// Calls `enter` with the descriptor of each directory before those below it, and `leave` after them, with the
    /// descriptor of the one above and the name; `leave` is not called for the first. Nothing where there is none.
    static func walk(_ path: String, enter: (Int32) -> Void = { _ in }, leave: (Int32, String) -> Void = { _, _ in }) {
        var current = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard current >= 0 else { return }
        defer { close(current) }
        enter(current)
        // What is still to be entered, and the names of the directories entered.
        var levels = [directories(in: current)]
        var names: [String] = []
        while !levels.isEmpty {
            if let name = levels[levels.count - 1].popLast() {
                let next = openat(current, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                // Gone meanwhile, or no directory any more.
                guard next >= 0 else { continue }
                close(current)
                current = next
                enter(current)
                levels.append(directories(in: current))
                names.append(name)
            } else {
                levels.removeLast()
                guard let name = names.popLast() else { return }
                // A directory of a hierarchy never moves to another: this is where it was entered.
                let above = openat(current, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                guard above >= 0 else { return }
                close(current)
                current = above
                leave(current, name)
            }
        }
    }

    private static func directories(in directory: Int32) -> [String] {
        let copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { return [] }
        guard let handle = fdopendir(copy) else {
            close(copy)
            return []
        }
        defer { closedir(handle) }
        var result: [String] = []
        while let entry = readdir(handle) {
            guard entry.pointee.d_type == UInt8(DT_DIR) else { continue }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { result.append(name) }
        }
        return result
    }
}

extension ControlGroup {
    /// The group's processes, those of the groups below it too where `recursive`; sorted.
    public func processes(recursive: Bool) -> [pid_t] {
        guard recursive else { return processes().sorted() }
        guard let path = path("pids") ?? path("freezer") ?? unifiedPath ?? directories.first?.path else { return [] }
        var found: Set<pid_t> = []
        GroupTree.walk(
            path,
            enter: { directory in
                let file = openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC)
                guard file >= 0 else { return }
                defer { close(file) }
                // A threaded group says EOPNOTSUPP; its processes are in the file of the one above.
                let bytes = (try? Bytes.readToEnd(file, limit: Files.readLimit)) ?? []
                found.formUnion(String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { pid_t($0) })
            })
        return found.sorted()
    }

    /// Takes the group away and those below it that the container made, the deepest first; true when it is gone in
    /// every hierarchy, false while processes are left in it.
    public func remove() -> Bool {
        var isGone = true
        for directory in directories where rmdir(directory.path) != 0 && errno != ENOENT {
            GroupTree.walk(directory.path, leave: { unlinkat($0, $1, AT_REMOVEDIR) })
            if rmdir(directory.path) != 0, errno != ENOENT { isGone = false }
        }
        return isGone
    }
}
