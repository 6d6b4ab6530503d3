import Glibc
import LinuxSystem

extension StoredContainer {
    /// The processes of its group; where it has none, as an ordinary user's may, those of its own PID namespace.
    func processes() -> [pid_t] {
        guard group.directories.isEmpty else { return group.processes(recursive: true) }
        guard isAlive, let namespace = Self.namespace("\(record.pid)") else { return [] }
        guard namespace != Self.namespace("self") else { return [record.pid] }
        return ((try? Files.list("/proc")) ?? []).compactMap { pid_t($0) }.filter {
            Self.namespace("\($0)") == namespace
        }
    }

    /// The number of a process's PID namespace (namespaces(7)).
    private static func namespace(_ process: String) -> ino_t? {
        var information = stat()
        return stat("/proc/\(process)/ns/pid", &information) == 0 ? information.st_ino : nil
    }
}
