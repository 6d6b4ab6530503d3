import CLinux
import Glibc

/// A serial executor on a thread of its own, for actors whose calls block (disk, mounts, netlink).
///
/// The thread ends when the last reference goes.
public final class ThreadExecutor: SerialExecutor {
    private let queue: JobQueue

    public init(name: String) {
        queue = JobQueue()
        queue.startThread(name)
    }

    deinit { queue.stop() }

    public func enqueue(_ job: consuming ExecutorJob) {
        queue.append(UnownedJob(job), executor: asUnownedSerialExecutor())
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    private final class JobQueue: @unchecked Sendable {
        // SAFETY: `jobs` and `isStopped` are touched under `mutex` only, which lives as long as the object.
        private var jobs: [(UnownedJob, UnownedSerialExecutor)] = []
        private var isStopped = false
        private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

        init() {
            pthread_mutex_init(mutex, nil)
            pthread_cond_init(condition, nil)
        }

        deinit {
            pthread_mutex_destroy(mutex)
            pthread_cond_destroy(condition)
            mutex.deallocate()
            condition.deallocate()
        }

        func append(_ job: UnownedJob, executor: UnownedSerialExecutor) {
            pthread_mutex_lock(mutex)
            jobs.append((job, executor))
            pthread_cond_signal(condition)
            pthread_mutex_unlock(mutex)
        }

        func stop() {
            pthread_mutex_lock(mutex)
            isStopped = true
            pthread_cond_signal(condition)
            pthread_mutex_unlock(mutex)
        }

        func startThread(_ name: String) {
            var thread = pthread_t()
            let failure = pthread_create(
                &thread, nil,
                { argument in
                    Unmanaged<JobQueue>.fromOpaque(argument!).takeRetainedValue().run()
                    return nil
                }, Unmanaged.passRetained(self).toOpaque())
            precondition(failure == 0, "no thread can be started: \(failure)")
            cl_name_thread(thread, String(name.prefix(15)))
            pthread_detach(thread)
        }

        private func run() {
            while true {
                pthread_mutex_lock(mutex)
                while jobs.isEmpty, !isStopped { pthread_cond_wait(condition, mutex) }
                let batch = jobs
                jobs = []
                pthread_mutex_unlock(mutex)
                if batch.isEmpty { return }
                for (job, executor) in batch { job.runSynchronously(on: executor) }
            }
        }
    }
}
