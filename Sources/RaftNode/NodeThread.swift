import Glibc
import LinuxSystem

/// A thread of its own, for work that blocks.
enum NodeThread {
    /// Runs `body` on a new detached thread; false where the system has none left.
    static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
        final class Start: Sendable {
            let name: String
            let body: @Sendable () -> Void

            init(_ name: String, _ body: @escaping @Sendable () -> Void) {
                self.name = name
                self.body = body
            }
        }
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let start = Unmanaged.passRetained(Start(name, body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, &attributes,
            { argument in
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                try? Files.set("/proc/thread-self/comm", start.name)
                start.body()
                return nil
            }, start.toOpaque())
        if code != 0 { start.release() }
        return code == 0
    }
}
