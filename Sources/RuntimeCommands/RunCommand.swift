import CLinux
import Containment
import Glibc
import LinuxSystem
import RuntimeSpec

/// `run`: creates and starts a container, waits for it unless it is detached, and deletes it.
struct RunCommand {
    private let context: RuntimeContext
    private let id: String
    private let options: CreateOptions
    private let isDetached: Bool
    private let keeps: Bool

    init(_ context: RuntimeContext, _ id: String, _ options: CreateOptions, isDetached: Bool, keeps: Bool) {
        self.context = context
        self.id = id
        self.options = options
        self.isDetached = isDetached
        self.keeps = keeps
    }

    /// - Returns: the exit code of its process; 0 for one that is detached.
    func run() throws -> Int32 {
        let creation = CreateCommand(context, id, options)
        let notify = NotifySocket(context.store, id)
        guard !isDetached else {
            let container = try creation.make().container
            let socket = try notify?.open()
            let process = try container.openProcess()
            try start(container)
            if let notify, let socket { try notify.relay(socket, container.record.pid, process) }
            return 0
        }
        // Processes that the container leaves behind come to this one.
        let subreaper: Int32 = 36
        _ = cl_prctl(subreaper, 1, 0, 0, 0)
        let (container, terminal) = try creation.make(isForeground: true)
        let process = try ForegroundProcess()
        let socket = try notify?.open()
        // A short program may have ended by the time that it is started.
        let first = try container.openProcess()
        try start(container)
        if let notify, let socket { try notify.relayBeside(socket, container.record.pid, first) }
        let code = try process.wait(container.record.pid, terminal: terminal)
        if !keeps { try takeAway(container) }
        return code
    }

    /// A container that cannot be started is taken away again.
    private func start(_ container: StoredContainer) throws {
        do {
            try StartCommand(context, id).start(container)
        } catch {
            kill(container.record.pid, SIGKILL)
            _ = try? ChildProcess.wait(container.record.pid)
            try? takeAway(container)
            throw error
        }
    }

    /// Unless somebody else did so already.
    private func takeAway(_ container: StoredContainer) throws {
        guard let lock = try? context.store.lock(id) else { return }
        try DeleteCommand(context, id).destroy(container)
        _ = consume lock
    }
}
