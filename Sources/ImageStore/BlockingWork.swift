import Glibc
import LinuxSystem

/// Runs work that blocks (disk, decompression) on a thread of its own, so that the shared pool stays free.
enum BlockingWork {
    private class Job {
        func run() {}
    }

    private final class TypedJob<Value: Sendable>: Job {
        var body: (@Sendable () throws -> Value)?
        let continuation: CheckedContinuation<Value, any Error>

        init(_ body: @escaping @Sendable () throws -> Value, _ continuation: CheckedContinuation<Value, any Error>) {
            self.body = body
            self.continuation = continuation
        }

        override func run() {
            let result = Result { try body!() }
            // What the work held is let go before anybody hears that it is done.
            body = nil
            continuation.resume(with: result)
        }
    }

    /// The result of `body`, which runs on a new thread.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let job = Unmanaged.passRetained(TypedJob(body, continuation) as Job)
            var thread = pthread_t()
            let failure = pthread_create(
                &thread, nil,
                { argument in
                    Unmanaged<Job>.fromOpaque(argument!).takeRetainedValue().run()
                    return nil
                }, job.toOpaque())
            if failure == 0 {
                pthread_detach(thread)
            } else {
                job.release()
                continuation.resume(throwing: SystemError("pthread_create", errno: failure))
            }
        }
    }
}
