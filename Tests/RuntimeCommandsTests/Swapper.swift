import Glibc
import LinuxSystem
import Synchronization

/// A thread that lets two files change places without a pause (rename(2): RENAME_EXCHANGE).
final class Swapper: Sendable {
    private typealias Exchange =
        @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32

    private let isStopped = Atomic(false)
    private let count = Atomic(0)

    /// How often they changed places.
    var swaps: Int { count.load(ordering: .relaxed) }

    init(_ first: String, _ second: String) throws {
        // A GNU function that the C library's module hides.
        guard let symbol = dlsym(nil, "renameat2") else { throw SystemError("find", "renameat2", errno: ENOSYS) }
        let exchange = unsafeBitCast(symbol, to: Exchange.self)
        let both: UInt32 = 2
        guard exchange(AT_FDCWD, first, AT_FDCWD, second, both) == 0 else {
            throw SystemError("exchange", first, errno: errno)
        }
        let thread = Thread { [self] in
            while !isStopped.load(ordering: .relaxed) {
                if exchange(AT_FDCWD, first, AT_FDCWD, second, both) == 0 { count.add(1, ordering: .relaxed) }
            }
        }
        try thread.start()
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    private final class Thread {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }

        func start() throws {
            var thread = pthread_t()
            let result = pthread_create(
                &thread, nil,
                { context in
                    Unmanaged<Thread>.fromOpaque(context!).takeRetainedValue().body()
                    return nil
                }, Unmanaged.passRetained(self).toOpaque())
            guard result == 0 else { throw SystemError("pthread_create", errno: result) }
            pthread_detach(thread)
        }
    }
}
