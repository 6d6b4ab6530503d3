import CLinux
import Glibc
import LinuxSystem

/// A thread that nobody joins, for work that blocks (pthread_create(3)).
public enum DetachedThread {
    private final class Work: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }

        /// The thread names itself: for others it may have ended already.
        func run() {
            cl_name_thread(pthread_self(), String(name.prefix(15)))
            body()
        }
    }

    /// Runs `body` on a new thread.
    ///
    /// - Parameter name: what debuggers call it; the kernel keeps 15 bytes.
    /// - Throws: where the system has no thread left.
    public static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let work = Unmanaged.passRetained(Work(name, body))
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
