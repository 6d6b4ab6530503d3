import Executors
import Glibc
import LinuxSystem
import Synchronization

/// Reads a descriptor on a thread of its own, since a read may wait for ever.
actor BlockingReader {
    private let thread: ThreadExecutor
    private let descriptor: Int32
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        thread = ThreadExecutor(name: "read-\(descriptor)")
    }

    /// Up to `count` bytes; empty at the end.
    func read(upTo count: Int = 64 << 10) throws(SystemError) -> [UInt8] {
        try Bytes.read(descriptor, upTo: count)
    }
}

/// Signals of this process as a sequence.
enum SignalStream {
    private static let output = Atomic<Int32>(-1)

    /// What arrives from now on instead of its usual effect. One watch in a process.
    static func watch(_ signals: [Int32]) throws -> AsyncStream<Int32> {
        let pipe = try Descriptor.pipe()
        output.store(pipe.write, ordering: .sequentiallyConsistent)
        for number in signals {
            signal(number) { number in
                var byte = UInt8(truncatingIfNeeded: number)
                _ = Glibc.write(SignalStream.output.load(ordering: .sequentiallyConsistent), &byte, 1)
            }
        }
        let reader = BlockingReader(pipe.read)
        let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
        Task {
            while let bytes = try? await reader.read(), !bytes.isEmpty {
                for byte in bytes { continuation.yield(Int32(byte)) }
            }
            continuation.finish()
        }
        return stream
    }

    /// As `kill` names it to an engine.
    static func name(_ number: Int32) -> String { String(number) }
}
