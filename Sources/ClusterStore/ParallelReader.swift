import ClusterModel
import Executors
import Glibc
import JSON
import LinuxSystem
import SQLite

/// Reads tasks from their rows' texts, of which there may be many, on several threads, while another reads the rows.
final class ParallelReader: Sendable {
    /// Texts that are read together.
    private static let batchLength = 1_024
    /// Batches that wait for a thread.
    private static let waitingLimit = 4
    private static let threadLimit = 4

    private struct Work {
        var waiting: [(number: Int, texts: [[UInt8]])] = []
        var done: [Int: [TaskObject]] = [:]
        var failure: JSONError?
        var isOver = false
    }

    private let work = Monitor(Work())

    /// The tasks in the order of the rows.
    ///
    /// - Parameter rows: hands over every text, until it is answered false.
    static func tasks(_ rows: (_ body: ([UInt8]) throws(SystemError) -> Bool) throws -> Void) throws -> [TaskObject] {
        let reader = ParallelReader()
        defer { reader.work.change { $0.isOver = true } }
        var batch: [[UInt8]] = []
        var count = 0
        try rows { text throws(SystemError) in
            batch.append(text)
            guard batch.count == batchLength else { return true }
            // Who has few needs no thread.
            if count < min(threadLimit, sysconf(Int32(_SC_NPROCESSORS_ONLN))) {
                try DetachedThread.start("state-reader") { reader.run() }
            }
            reader.add(batch, number: count)
            batch = []
            count += 1
            return !reader.hasFailed
        }
        reader.work.change { $0.isOver = true }
        var own = TaskReader()
        let rest = try batch.map { text throws(JSONError) in try own.task(text) }
        reader.run()
        let (done, failure) = reader.work.wait(
            { $0.failure != nil || $0.done.count == count }, then: { ($0.done, $0.failure) })
        if let failure { throw failure }
        return (0..<count).flatMap { done[$0] ?? [] } + rest
    }

    private var hasFailed: Bool { work.wait({ _ in true }, then: { $0.failure != nil }) }

    private func add(_ texts: [[UInt8]], number: Int) {
        work.wait({ $0.waiting.count < Self.waitingLimit || $0.failure != nil }, then: { _ in })
        work.change { $0.waiting.append((number, texts)) }
    }

    /// Until nothing waits and nothing will.
    private func run() {
        var reader = TaskReader()
        while true {
            let next = work.wait(
                { !$0.waiting.isEmpty || $0.isOver || $0.failure != nil },
                then: { work in work.failure == nil ? work.waiting.popLast() : nil })
            guard let (number, texts) = next else { return }
            do throws(JSONError) {
                var tasks: [TaskObject] = []
                tasks.reserveCapacity(texts.count)
                for text in texts { tasks.append(try reader.task(text)) }
                work.change { $0.done[number] = tasks }
            } catch {
                work.change { $0.failure = error }
            }
        }
    }
}
