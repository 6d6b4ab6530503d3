import Glibc
import Values

/// Lets one thread at a time work on a digest; the others wait. For threads that may block.
final class KeyGate: @unchecked Sendable {
    // SAFETY: `busy` is read and written with `mutex` held; both C objects live at a fixed address until deinit.
    private var busy: Set<Digest> = []
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func withKey<Result>(_ key: Digest, _ body: () throws -> Result) rethrows -> Result {
        pthread_mutex_lock(mutex)
        while !busy.insert(key).inserted { pthread_cond_wait(condition, mutex) }
        pthread_mutex_unlock(mutex)
        defer {
            pthread_mutex_lock(mutex)
            busy.remove(key)
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        return try body()
    }
}
