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
            let made = try creation.make(hasGate: false)
            let socket = try notify?.open()
            let process = try made.container.openProcess()
            try start(made)
            if let notify, let socket { try notify.relay(socket, made.container.record.pid, process) }
            return 0
        }
        // Processes that the container leaves behind come to this one.
        let subreaper: Int32 = 36
        _ = cl_prctl(subreaper, 1, 0, 0, 0)
        let made = try creation.make(isForeground: true, hasGate: false)
        let pid = made.container.record.pid
        let process = try ForegroundProcess()
        if let notify, let socket = try notify.open() {
            // A short program may have ended by the time that it is started.
            let first = try made.container.openProcess()
            try start(made)
            try notify.relayBeside(socket, pid, first)
        } else {
            try start(made)
        }
        let code = try process.wait(pid, terminal: made.terminal)
        if !keeps { try takeAway(made.container) }
        return code
    }

    /// A container that cannot be started is taken away again.
    private func start(_ made: CreateCommand.Made) throws {
        do {
            try StartCommand(context, id).follow(made.proceed(), made.container)
        } catch {
            kill(made.container.record.pid, SIGKILL)
            _ = try? ChildProcess.wait(made.container.record.pid)
            try? takeAway(made.container)
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
