import CLinux
import Executors
import LinuxSystem
import Synchronization

/// Wakes tasks when descriptors can be read or written, with one thread of its own (epoll(7)).
final class Reactor: Sendable {
    private struct Waiting {
        var reader: CheckedContinuation<Void, Never>?
        var writer: CheckedContinuation<Void, Never>?

        var events: UInt32 {
            (reader == nil ? 0 : UInt32(CL_READABLE)) | (writer == nil ? 0 : UInt32(CL_WRITABLE))
        }
    }

    private let epoll: Descriptor
    private let waiting = Mutex<[Int32: Waiting]>([:])

    init() throws(SystemError) {
        epoll = Descriptor(owning: try checked("epoll_create", cl_epoll_create()))
    }

    /// Begins to wait; the thread lives as long as the process.
    func start() throws(SystemError) {
        try DetachedThread.start("shims") { self.run() }
    }

    /// Returns when `descriptor` may be read, has failed, or was woken. One reader at a time.
    func readable(_ descriptor: Int32) async {
        await withCheckedContinuation { continuation in
            arm(descriptor) { $0.reader = continuation }
        }
    }

    /// Returns when `descriptor` may be written, has failed, or was woken. One writer at a time.
    func writable(_ descriptor: Int32) async {
        await withCheckedContinuation { continuation in
            arm(descriptor) { $0.writer = continuation }
        }
    }

    /// Wakes whoever waits for the descriptor, and forgets it; to be called before it is closed.
    func forget(_ descriptor: Int32) {
        let woken = waiting.withLock { table in
            _ = cl_epoll_remove(epoll.rawValue, descriptor)
            return table.removeValue(forKey: descriptor)
        }
        woken?.reader?.resume()
        woken?.writer?.resume()
    }

    private func arm(_ descriptor: Int32, _ change: (inout Waiting) -> Void) {
        let failed = waiting.withLock { table -> Waiting? in
            change(&table[descriptor, default: Waiting()])
            let events = table[descriptor]?.events ?? 0
            if cl_epoll_arm(epoll.rawValue, descriptor, events) >= 0 { return nil }
            return table.removeValue(forKey: descriptor)
        }
        failed?.reader?.resume()
        failed?.writer?.resume()
    }

    private func run() -> Never {
        let limit = 64
        var descriptors = [Int32](repeating: 0, count: limit)
        var events = [UInt32](repeating: 0, count: limit)
        while true {
            let count = cl_epoll_wait(epoll.rawValue, &descriptors, &events, Int32(limit), -1)
            precondition(count >= 0, "epoll_wait: \(-count)")
            for index in 0..<Int(count) { wake(descriptors[index], events[index]) }
        }
    }

    private func wake(_ descriptor: Int32, _ events: UInt32) {
        let (reader, writer) = waiting.withLock { table in
            guard var entry = table[descriptor] else {
                return (CheckedContinuation<Void, Never>?.none, CheckedContinuation<Void, Never>?.none)
            }
            var reader: CheckedContinuation<Void, Never>?
            var writer: CheckedContinuation<Void, Never>?
            if events & UInt32(CL_READABLE) != 0 { (reader, entry.reader) = (entry.reader, nil) }
            if events & UInt32(CL_WRITABLE) != 0 { (writer, entry.writer) = (entry.writer, nil) }
            table[descriptor] = entry.events == 0 ? nil : entry
            if entry.events != 0 { _ = cl_epoll_arm(epoll.rawValue, descriptor, entry.events) }
            return (reader, writer)
        }
        reader?.resume()
        writer?.resume()
    }
}
