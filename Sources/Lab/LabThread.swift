import Glibc
import LinuxSystem

/// Work that blocks runs on a thread of its own, never on the shared pool.
enum LabThread {
    private final class Work {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
            let work = Unmanaged.passRetained(Work { continuation.resume(with: Result { try body() }) })
            var thread = pthread_t()
            let failure = pthread_create(
                &thread, nil,
                { argument in
                    Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
                    return nil
                }, work.toOpaque())
            if failure == 0 {
                pthread_detach(thread)
            } else {
                work.release()
                continuation.resume(throwing: SystemError("pthread_create", errno: failure))
            }
        }
    }
}
