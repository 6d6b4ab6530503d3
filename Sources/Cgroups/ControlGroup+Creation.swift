import Glibc
import LinuxSystem
import RuntimeProtocol

extension ControlGroup {
    /// Takes the group away where nothing is in it, and leaves the rest of it as it is.
    public func removeEmpty() {
        for directory in directories { rmdir(directory.path) }
    }

    /// Makes the group for a new container: it may exist, but only empty and thawed. What was made is taken away again
    /// where this fails; controllers that were handed on stay so.
    ///
    /// - Parameter isOptional: leaves out the hierarchies in which this process may not make the group (EACCES, EPERM,
    ///   EROFS), as one without privileges must.
    /// - Returns: the group in the hierarchies in which it now is.
    /// - Throws: also where there is no hierarchy at all, unless `isOptional`.
    public func createEmpty(isOptional: Bool = false) throws(GroupError) -> ControlGroup {
        if directories.isEmpty, !isOptional { throw .noHierarchy }
        var made: [String] = []
        do throws(GroupError) {
            var result: [CgroupDirectory] = []
            for directory in directories {
                let before = made.count
                do throws(SystemError) {
                    try Self.make(directory, made: &made)
                } catch {
                    guard isOptional, [EACCES, EPERM, EROFS].contains(error.errno) else { throw .system(error) }
                    Self.unmake(made[before...])
                    made.removeSubrange(before...)
                    continue
                }
                let isNew = made.count > before && made.last == directory.path
                if !isNew { try Self.checkUnused(directory) }
                result.append(directory)
            }
            return ControlGroup(directories: result)
        } catch {
            Self.unmake(made[...])
            throw error
        }
    }

    private static func unmake(_ paths: ArraySlice<String>) { for path in paths.reversed() { rmdir(path) } }

    private static func checkUnused(_ directory: CgroupDirectory) throws(GroupError) {
        let group = ControlGroup(directories: [directory])
        let count = group.processes(recursive: true).count
        if count > 0 { throw .notEmpty(directory.path, processes: count) }
        if group.isFrozen { throw .frozen(directory.path) }
    }

    /// Makes a directory and those above it up to its base; `made` are those that were not there.
    static func make(_ directory: CgroupDirectory, made: inout [String]) throws(SystemError) {
        var path = directory.base
        for component in directory.name.split(separator: "/") {
            if directory.isUnified { enableControllers(path) }
            let parent = path
            path += "/"
            path += String(component)
            if mkdir(path, 0o755) == 0 {
                made.append(path)
            } else {
                guard errno == EEXIST else { throw SystemError("mkdir", path, errno: errno) }
            }
            if directory.controllers.contains("cpuset") { try inheritProcessors(from: parent, to: path) }
        }
    }

    /// Hands every controller on to the groups below; those that the kernel keeps back stay unlimited there.
    private static func enableControllers(_ path: String) {
        guard let names = try? Files.text(path + "/cgroup.controllers") else { return }
        let wanted = names.split(whereSeparator: \.isWhitespace)
        guard !wanted.isEmpty, let present = try? Files.text(path + "/cgroup.subtree_control") else { return }
        let enabled = present.split(whereSeparator: \.isWhitespace)
        for name in wanted where !enabled.contains(name) {
            try? Files.set(path + "/cgroup.subtree_control", "+" + name)
        }
    }

    private static func inheritProcessors(from parent: String, to path: String) throws(SystemError) {
        for file in ["/cpuset.cpus", "/cpuset.mems"] {
            let value = try Files.text(path + file)
            if value.allSatisfy(\.isWhitespace) { try Files.set(path + file, Files.text(parent + file)) }
        }
    }
}
