import LinuxSystem

/// A serial executor on a thread of its own, for actors whose calls block (disk, mounts, netlink).
///
/// The thread ends when the last reference goes.
public final class ThreadExecutor: SerialExecutor {
    private let queue = JobQueue()

    public init(name: String) { queue.startThread(name) }

    deinit { queue.stop() }

    public func enqueue(_ job: consuming ExecutorJob) {
        queue.append(UnownedJob(job), executor: asUnownedSerialExecutor())
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    private final class JobQueue: Sendable {
        private struct Jobs {
            var waiting: [(UnownedJob, UnownedSerialExecutor)] = []
            var isStopped = false
        }

        private let jobs = Monitor(Jobs())

        func append(_ job: UnownedJob, executor: UnownedSerialExecutor) {
            jobs.change { $0.waiting.append((job, executor)) }
        }

        func stop() { jobs.change { $0.isStopped = true } }

        func startThread(_ name: String) {
            do throws(SystemError) {
                try DetachedThread.start(name) { self.run() }
            } catch {
                preconditionFailure("\(error)")
            }
        }

        private func run() {
            while true {
                let batch = jobs.wait(
                    { !$0.waiting.isEmpty || $0.isStopped },
                    then: { jobs in
                        defer { jobs.waiting = [] }
                        return jobs.waiting
                    })
                if batch.isEmpty { return }
                for (job, executor) in batch { job.runSynchronously(on: executor) }
            }
        }
    }
}
