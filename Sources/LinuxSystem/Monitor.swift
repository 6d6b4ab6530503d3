import Glibc

/// A state that threads share and wait for (pthread_mutex_lock(3), pthread_cond_wait(3)). For threads that may block;
/// tasks of the shared pool take a `Mutex` and never wait.
public final class Monitor<State>: @unchecked Sendable {
    // SAFETY: `state` is touched with `mutex` held only; both C objects live at a fixed address until deinit.
    private var state: State
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    public init(_ state: State) {
        self.state = state
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Works on the state, then wakes every thread that waits for it.
    public func change<Result>(_ body: (inout State) throws -> Result) rethrows -> Result {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        return try body(&state)
    }

    /// Waits until `isReady`, then works on the state.
    ///
    /// - Parameter deadline: nanoseconds since boot, from which on it works on the state as it is; nil waits on.
    public func wait<Result>(
        until deadline: Int64? = nil, _ isReady: (State) -> Bool, then body: (inout State) throws -> Result
    ) rethrows -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !isReady(state) {
            guard let deadline else {
                pthread_cond_wait(condition, mutex)
                continue
            }
            let rest = deadline - Clock.sinceBoot()
            guard rest > 0 else { break }
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            let end = Int64(time.tv_nsec) + rest
            time.tv_sec += Int(end / 1_000_000_000)
            time.tv_nsec = Int(end % 1_000_000_000)
            pthread_cond_timedwait(condition, mutex, &time)
        }
        return try body(&state)
    }
}
