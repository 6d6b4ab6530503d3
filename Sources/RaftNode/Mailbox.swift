import Glibc
import LinuxSystem
import RaftCore

/// What the node's thread has to look at, in the order of arrival. Bounded: see the limits.
final class Mailbox: @unchecked Sendable {
    // SAFETY: every stored property is touched only while `mutex` is held.

    /// Messages from other members that wait; later ones are lost, as on a bad network.
    static let messageLimit = 4_096
    /// Their bytes together.
    static let messageByteLimit = 64 << 20
    /// Calls that wait.
    static let requestLimit = 16_384

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var events: [Event] = []
    private var messageCount = 0
    private var messageBytes = 0
    private var closedBecause: String?

    init() {
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

    private func locked<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Puts an event in; the reason where it cannot be taken any more.
    func post(_ event: Event) -> RaftError? {
        locked {
            if let closedBecause { return .stopped(closedBecause) }
            if event.isRequest, events.count - messageCount >= Self.requestLimit { return .tooManyProposals }
            events.append(event)
            pthread_cond_signal(condition)
            return nil
        }
    }

    /// Puts a message in, or drops it where too many wait.
    func post(_ message: RaftMessage, from nodeID: String, byteCount: Int) {
        locked {
            guard closedBecause == nil, messageCount < Self.messageLimit,
                messageBytes + byteCount <= Self.messageByteLimit
            else { return }
            messageCount += 1
            messageBytes += byteCount
            events.append(.message(message, from: nodeID))
            pthread_cond_signal(condition)
        }
    }

    /// Takes out everything, having waited for something until `deadline` (nanoseconds since boot).
    func take(until deadline: Int64) -> [Event] {
        locked {
            while events.isEmpty {
                let rest = deadline - Clock.sinceBoot()
                guard rest > 0 else { break }
                var time = timespec()
                clock_gettime(CLOCK_MONOTONIC, &time)
                let end = Int64(time.tv_nsec) + rest
                time.tv_sec += Int(end / 1_000_000_000)
                time.tv_nsec = Int(end % 1_000_000_000)
                pthread_cond_timedwait(condition, mutex, &time)
            }
            defer {
                events = []
                messageCount = 0
                messageBytes = 0
            }
            return events
        }
    }

    /// Refuses whatever comes from now on; what is in already.
    func close(because reason: String) -> [Event] {
        locked {
            closedBecause = closedBecause ?? reason
            defer { events = [] }
            return events
        }
    }
}
