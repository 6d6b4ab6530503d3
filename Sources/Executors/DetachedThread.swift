import CLinux
import Glibc
import LinuxSystem

/// A thread that nobody joins, for work that blocks (pthread_create(3)).
public enum DetachedThread {
    private final class Work: Sendable {
        let name: String
        let niceness: Int32
        let body: @Sendable () -> Void

        init(_ name: String, _ niceness: Int32, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.niceness = niceness
            self.body = body
        }

        /// The thread names itself: for others it may have ended already.
        func run() {
            cl_name_thread(pthread_self(), String(name.prefix(15)))
            // On Linux a thread has a niceness of its own (setpriority(2), C library/kernel differences).
            if niceness != 0 { _ = setpriority(Int32(PRIO_PROCESS.rawValue), 0, niceness) }
            body()
        }
    }

    /// Runs `body` on a new thread.
    ///
    /// - Parameters:
    ///   - name: what debuggers call it; the kernel keeps 15 bytes.
    ///   - niceness: how much the thread stands back for others where processors are scarce, 0 to 19 (sched(7)).
    /// - Throws: where the system has no thread left.
    public static func start(
        _ name: String, niceness: Int32 = 0, _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        let work = Unmanaged.passRetained(Work(name, niceness, body))
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let failure = pthread_create(
            &thread, &attributes,
            { argument in
                Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, work.toOpaque())
        guard failure == 0 else {
            work.release()
            throw SystemError("pthread_create", errno: failure)
        }
    }
}
