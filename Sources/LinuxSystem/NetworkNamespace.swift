import CLinux
import Glibc

/// Named network namespaces: kept by a mount of the namespace's file (ip-netns(8), setns(2)).
public enum NetworkNamespace {
    /// Makes a new namespace and keeps it at `path`.
    public static func create(at path: String) throws {
        try Files.makeDirectories(Files.parent(of: path))
        if !Files.exists(path) { try Files.write(path, [], mode: 0o444) }
        do {
            try onThread {
                try checked("unshare", on: "network", cl_unshare(Int32(CL_CLONE_NEWNET)))
                try Mounts.bind("/proc/thread-self/ns/net", on: path, isRecursive: false)
            }
        } catch {
            unlink(path)
            throw error
        }
    }

    /// Lets go of the namespace at `path`; it ends with its last process and socket. Nothing there is fine.
    public static func remove(_ path: String) throws(SystemError) {
        try Mounts.detach(path)
        if unlink(path) != 0, errno != ENOENT { throw SystemError("unlink", path, errno: errno) }
    }

    /// Runs `body` on a thread of its own inside the namespace at `path`. Sockets that it opens stay in that namespace.
    public static func run<Result: Sendable>(at path: String, _ body: @escaping @Sendable () throws -> Result) throws
        -> Result
    {
        let namespace = try Descriptor.open(path, O_RDONLY)
        return try run(in: namespace.rawValue, body)
    }

    /// Runs `body` on a thread of its own inside the namespace that `descriptor` names.
    public static func run<Result: Sendable>(
        in descriptor: Int32, _ body: @escaping @Sendable () throws -> Result
    ) throws -> Result {
        try onThread {
            try checked("setns", on: "network", cl_setns(descriptor, Int32(CL_CLONE_NEWNET)))
            return try body()
        }
    }

    private final class Job<Value: Sendable>: @unchecked Sendable {
        // SAFETY: `result` is written by the thread before it ends and read after it was joined.
        var result: Result<Value, any Error>?
        let body: @Sendable () throws -> Value

        init(_ body: @escaping @Sendable () throws -> Value) { self.body = body }
    }

    private class AnyJob { func run() {} }

    private final class BoxedJob<Value: Sendable>: AnyJob {
        let job: Job<Value>

        init(_ job: Job<Value>) { self.job = job }

        override func run() { job.result = Result { try job.body() } }
    }

    /// A new thread, because a thread that changed its namespace is not given back to a pool.
    private static func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let job = Job(body)
        let boxed = Unmanaged.passRetained(BoxedJob(job) as AnyJob)
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<AnyJob>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, boxed.toOpaque())
        guard failure == 0 else {
            boxed.release()
            throw SystemError("pthread_create", errno: failure)
        }
        pthread_join(thread, nil)
        guard let result = job.result else { throw SystemError("pthread_join", errno: EIO) }
        return try result.get()
    }
}
