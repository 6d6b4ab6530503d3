import Containment
import Glibc
import LinuxSystem
import RuntimeSpec

/// `run`: creates and starts a container, waits for it unless it is detached, and deletes it.
struct RunCommand {
    private let context: RuntimeContext
    private let id: String
    private let creation: CreateOptions
    private let options: RunOptions

    init(_ context: RuntimeContext, _ id: String, _ creation: CreateOptions, _ options: RunOptions) {
        self.context = context
        self.id = id
        self.creation = creation
        self.options = options
    }

    /// - Returns: the exit code of its process; 0 for one that is detached.
    func run() throws -> Int32 {
        let creation = CreateCommand(context, id, creation)
        guard !options.isDetached else {
            let made = try creation.make(hasGate: false)
            try undoing(made) { try start(made) }
            return 0
        }
        let foreground = try ForegroundProcess(isSubreaper: options.isSubreaper)
        let made = try creation.make(isForeground: true, hasGate: false)
        let code = try undoing(made) {
            try start(made)
            return try foreground.wait(made.container.record.pid, terminal: made.terminal)
        }
        if !options.keeps { try takeAway(made.container) }
        return code
    }

    private func start(_ made: CreateCommand.Made) throws {
        let command = StartCommand(context, id)
        guard let notify = NotifySocket(context.store, id), let socket = try notify.open() else {
            return try command.follow(made.proceed(), made.container)
        }
        // A short program may have ended by the time that it is started.
        let process = try made.container.openProcess()
        try command.follow(made.proceed(), made.container)
        let pid = made.container.record.pid
        if options.isDetached {
            try notify.relay(socket, pid, process)
        } else {
            try notify.relayBeside(socket, pid, process)
        }
    }

    /// A container that cannot be started or waited for is taken away again.
    private func undoing<Result>(_ made: CreateCommand.Made, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
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
