import Glibc
import LinuxSystem
import TestSupport

extension BundleFixture {
    /// The directories where groups can lie, by hierarchy: its root, and the group that this process is in.
    private static var hierarchies: [(controllers: String, directories: [String])] {
        let own = lines("/proc/self/cgroup").map { $0.split(separator: ":", omittingEmptySubsequences: false) }
        return lines("/proc/self/mountinfo").compactMap { line in
            let fields = line.split(separator: " ").map(String.init)
            guard let dash = fields.firstIndex(of: "-"), dash + 3 < fields.count else { return nil }
            let options = fields[dash + 3].split(separator: ",").map(String.init)
            switch fields[dash + 1] {
            case "cgroup2":
                let group = own.first { $0[0] == "0" }?[2] ?? "/"
                return ("", group == "/" ? [fields[4]] : [fields[4], fields[4] + group])
            case "cgroup":
                let entry = own.first { entry in
                    entry[0] != "0" && entry[1].split(separator: ",").allSatisfy { options.contains(String($0)) }
                }
                guard let entry else { return nil }
                return (String(entry[1]), entry[2] == "/" ? [fields[4]] : [fields[4], fields[4] + entry[2]])
            default: return nil
            }
        }
    }

    private static func lines(_ path: String) -> [Substring] {
        ((try? Files.text(path)) ?? "").split(separator: "\n")
    }

    /// The container's groups that exist, in every hierarchy.
    func groups(_ id: String) -> [String] {
        Self.hierarchies.flatMap(\.directories).map { "\($0)/\(groupName)/\(id)" }.filter(Files.exists)
    }

    /// A file of the container's group in the hierarchy of `controller`, v1's or v2's; nil where there is none.
    func groupFile(_ id: String, _ names: String...) -> String? {
        groups(id).flatMap { group in names.map { group + "/" + $0 } }.first(where: Files.exists)
            .flatMap { try? Files.text($0) }.map { $0.split(separator: "\n").joined(separator: "\n") }
    }

    func removeGroups() {
        for directory in Self.hierarchies.flatMap(\.directories) {
            Self.removeGroup("\(directory)/\(groupName)")
        }
    }

    private static func removeGroup(_ path: String) {
        guard Files.exists(path) else { return }
        for name in (try? Files.list(path)) ?? [] where Files.isDirectory(path + "/" + name) {
            removeGroup(path + "/" + name)
        }
        rmdir(path)
    }

    /// What there is of a container on this machine, a line for each.
    func traces(of id: String) -> [String] {
        var traces: [String] = []
        if Files.exists(stateRoot + "/" + id) { traces.append("state \(stateRoot)/\(id)") }
        traces += groups(id).map { "group \($0)" }
        traces += Self.lines("/proc/self/mountinfo").filter { ($0 + "/").contains(bundle(id) + "/") }
            .map { "mount \($0)" }
        traces += processes(id).map { "process \($0)" }
        return traces
    }

    /// Processes in the container's groups, or with its bundle or state among their words. Zombies hold nothing.
    func processes(_ id: String) -> [pid_t] {
        let root = stateRoot
        return ((try? Files.list("/proc")) ?? []).compactMap { pid_t($0) }.filter { process in
            let text = (try? Files.text("/proc/\(process)/stat")) ?? ") Z"
            guard let end = text.lastIndex(of: ")"), !text[end...].hasPrefix(") Z") else { return false }
            let isInGroup = Self.lines("/proc/\(process)/cgroup").contains {
                ($0 + "/").contains("/\(groupName)/\(id)/")
            }
            if isInGroup { return true }
            let words = ((try? Files.text("/proc/\(process)/cmdline")) ?? "").split(separator: "\0").map(String.init)
            return words.contains { $0 == bundle(id) } || words.contains(root) && words.contains(id)
        }
    }
}

/// What a symbolic link says; nil where there is none.
func linkTarget(_ path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: 4096)
    guard readlink(path, &buffer, buffer.count - 1) > 0 else { return nil }
    return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
}

/// False for zombies too.
func isAlive(_ process: pid_t) -> Bool {
    guard let text = try? Files.text("/proc/\(process)/stat"), let end = text.lastIndex(of: ")") else { return false }
    return !text[end...].hasPrefix(") Z")
}
