import CSQLite
import Synchronization

/// The index of a write-ahead log on the heap, shared by the connections of this process
/// (https://www.sqlite.org/c3ref/io_methods.html: xShmMap, xShmLock).
///
/// SAFETY: regions are only added, under the lock, and go with the object; what is in them is guarded by SQLite with
/// the locks and barriers below.
final class SharedMemory: @unchecked Sendable {
    private struct State {
        /// Addresses as numbers.
        var regions: [UInt] = []
        /// For each slot the connections that share it, and the one that has it for itself.
        var sharing = [Set<Int>](repeating: [], count: Int(SQLITE_SHM_NLOCK))
        var owner = [Int?](repeating: nil, count: Int(SQLITE_SHM_NLOCK))
    }

    private let state = Mutex(State())

    deinit {
        state.withLock { state in
            for region in state.regions { UnsafeMutableRawPointer(bitPattern: region)?.deallocate() }
        }
    }

    /// All regions of a memory have the same size.
    func region(_ number: Int, byteCount: Int, extending: Bool) -> UnsafeMutableRawPointer? {
        let address = state.withLock { state -> UInt? in
            while extending, state.regions.count <= number {
                let region = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 16)
                region.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
                state.regions.append(UInt(bitPattern: region))
            }
            return number < state.regions.count ? state.regions[number] : nil
        }
        return address.flatMap { UnsafeMutableRawPointer(bitPattern: $0) }
    }

    /// False where another connection's lock is in the way.
    func lock(_ slots: Range<Int>, by connection: Int, exclusively: Bool) -> Bool {
        state.withLock { state in
            for slot in slots {
                if let owner = state.owner[slot], owner != connection { return false }
                if exclusively, state.sharing[slot].contains(where: { $0 != connection }) { return false }
            }
            for slot in slots {
                if exclusively { state.owner[slot] = connection } else { state.sharing[slot].insert(connection) }
            }
            return true
        }
    }

    func unlock(_ slots: Range<Int>, by connection: Int, exclusively: Bool) {
        state.withLock { state in
            for slot in slots {
                if exclusively { state.owner[slot] = nil } else { state.sharing[slot].remove(connection) }
            }
        }
    }

    /// Whatever the connection holds.
    func unlock(_ slots: Range<Int>, by connection: Int) {
        state.withLock { state in
            for slot in slots {
                state.sharing[slot].remove(connection)
                if state.owner[slot] == connection { state.owner[slot] = nil }
            }
        }
    }

    func barrier() { state.withLock { _ in } }
}
