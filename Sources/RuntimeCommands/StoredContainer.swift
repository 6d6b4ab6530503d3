import CLinux
import Cgroups
import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec

/// A container as a command finds it.
struct StoredContainer {
    var record: ContainerRecord
    let store: StateStore

    var group: ControlGroup { ControlGroup(directories: record.groups) }

    /// When a process began, in the kernel's ticks since boot, and whether it is more than a zombie (proc(5): stat).
    static func process(_ pid: pid_t) -> (startTicks: UInt64, isAlive: Bool)? {
        guard pid > 0, let text = try? Files.text("/proc/" + pid.description + "/stat"),
            let name = text.lastIndex(of: ")")
        else {
            return nil
        }
        let fields = text[text.index(after: name)...].split(separator: " ")
        guard fields.count > 19, let ticks = UInt64(fields[19]) else { return nil }
        return (ticks, fields[0] != "Z" && fields[0] != "X")
    }

    /// Whether its first process lives.
    var isAlive: Bool {
        guard let process = Self.process(record.pid) else { return false }
        return process.isAlive && process.startTicks == record.startTicks
    }

    var status: ContainerState.Status {
        guard isAlive else { return .stopped }
        if store.isBeingCreated(record.id) { return .creating }
        if group.isFrozen { return .paused }
        return isAtGate ? .created : .running
    }

    /// Whether its first process listens for who starts it. The socket's name may be left of a `start` that was killed;
    /// the first process closes what it had there as soon as it has its word.
    private var isAtGate: Bool {
        let gate = store.gate(record.id)
        return (try? UnixSocket.isBound(gate)) ?? Files.exists(gate)
    }

    func state(_ status: ContainerState.Status) -> ContainerState {
        ContainerState(
            id: record.id, status: status, pid: status == .stopped ? 0 : record.pid, bundle: record.bundle,
            annotations: record.configuration.annotations)
    }

    /// What `state` and `list` print beside the specification's members, as runc does.
    struct Printed: Encodable {
        var ociVersion: String
        var id: String
        var pid: Int32
        var status: ContainerState.Status
        var bundle: String
        var rootfs: String
        var created: String
        var annotations: [String: String]?
        var owner: String

        static let order = ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created"]

        init(_ container: StoredContainer) {
            let status = container.status
            let record = container.record
            ociVersion = RuntimeConfiguration.version
            id = record.id
            pid = status == .stopped ? 0 : record.pid
            self.status = status
            bundle = record.bundle
            rootfs = record.root
            created = record.created
            annotations = record.configuration.annotations
            // By the file alone: a static program must not load the machine's name services.
            let database = UserDatabase(passwd: (try? Files.text("/etc/passwd")) ?? "", group: "")
            owner = database.users.first { $0.uid == record.owner }?.name ?? "\(record.owner)"
        }
    }

    func printState() throws { print(try PrintedJSON.text(Printed(self), first: Printed.order)) }

    /// A pidfd of the first process, which is the one that was recorded.
    func openProcess() throws -> Descriptor {
        let opened = cl_pidfd_open(record.pid)
        guard opened != -ESRCH else { throw SetupError("container not running: \(record.id)") }
        let pidfd = Descriptor(owning: try checked("pidfd_open", on: "\(record.pid)", opened))
        guard isAlive else { throw SetupError("container not running: \(record.id)") }
        return pidfd
    }

    /// Throws where it does not run.
    func requireRunning(or other: ContainerState.Status? = nil) throws {
        let status = status
        guard status == .running || status == other else {
            throw SetupError("container \(record.id) is not running: it is \(status.rawValue)")
        }
    }
}
