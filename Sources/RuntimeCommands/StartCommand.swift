import CLinux
import Containment
import Glibc
import LinuxSystem
import RuntimeSpec
import Seccomp

/// `start`: lets the first process run its program (runtime.md: Start).
struct StartCommand {
    private let context: RuntimeContext
    private let id: String

    init(_ context: RuntimeContext, _ id: String) {
        self.context = context
        self.id = id
    }

    func start() throws {
        let lock = try context.store.lock(id)
        let container = try context.container(id)
        switch container.status {
        case .created: break
        case .stopped: throw SetupError("cannot start a container that has stopped")
        case .creating: throw SetupError("cannot start a container that is still being created")
        case .running, .paused: throw SetupError("cannot start an already running container")
        }
        let notify = NotifySocket(context.store, id)
        let socket = try notify?.open()
        let process = try container.openProcess()
        try start(container)
        // Whoever wants to end a container that is never ready may.
        _ = consume lock
        if let notify, let socket { try notify.relay(socket, container.record.pid, process) }
    }

    private func start(_ container: StoredContainer) throws {
        let gate = context.store.gate(id)
        let channel = SyncChannel(owning: try UnixSocket.connect(gate).release())
        try Bytes.writeAll(channel.descriptor.rawValue, [1])
        // Whether it goes well or not, there is nobody any more.
        defer { unlink(gate) }
        try follow(channel, container)
    }

    /// Sees a first process that was told to become its program through to that.
    func follow(_ channel: borrowing SyncChannel, _ container: StoredContainer) throws {
        try awaitProgram(channel, container)
        context.runHooks(container.record.configuration.hooks?.poststart, "poststart", container.state(.running))
    }

    /// The channel's end means that exec succeeded; a message says why it did not.
    private func awaitProgram(_ channel: borrowing SyncChannel, _ container: StoredContainer) throws {
        while true {
            switch try channel.receive() {
            case .end: return
            case .failure(let error): throw error
            case .listening(let number):
                let record = container.record
                let seccomp = record.configuration.linux?.seccomp
                try ListenerHandover.hand(
                    number, of: record.pid, state: container.state(.created), seccomp)
                try Bytes.writeAll(channel.descriptor.rawValue, [1])
            default: throw SetupError("the container's first process says what is not understood")
            }
        }
    }
}

/// Takes a filter's descriptor of notifications from a process and gives it to who answers them.
enum ListenerHandover {
    static func hand(_ number: Int32, of pid: pid_t, state: ContainerState, _ seccomp: SeccompConfiguration?) throws {
        guard let path = seccomp?.listenerPath else { throw SetupError("linux.seccomp.listenerPath: missing") }
        do {
            let listener = try SeccompListener.take(number, from: pid)
            try SeccompListener.send(
                listener, of: ContainerProcessState(pid: pid, metadata: seccomp?.listenerMetadata, state: state),
                to: path)
        } catch {
            throw SetupError(
                "linux.seccomp.listenerPath: failed to connect with seccomp agent \(path): \(SetupError(error).reason)")
        }
    }
}
