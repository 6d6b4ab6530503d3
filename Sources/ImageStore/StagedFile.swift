import Glibc
import LinuxSystem
import Synchronization
import Values

/// A file that is being written and whose digest is known when it is whole; removed unless it was moved away.
final class StagedFile: Sendable {
    let path: String
    /// The most bytes that it may get.
    let limit: Int64
    private let state: Mutex<State>

    private struct State {
        /// -1 once the file is whole.
        var descriptor: Int32
        var digest = RunningDigest()
        /// As many as tell how a layer is compressed.
        var firstBytes: [UInt8] = []
    }

    init(path: String, limit: Int64) throws(SystemError) {
        self.path = path
        self.limit = limit
        let descriptor = try Descriptor.open(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600).release()
        state = Mutex(State(descriptor: descriptor))
    }

    deinit {
        seal()
        unlink(path)
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        try state.withLock { state in
            guard state.digest.byteCount + Int64(bytes.count) <= limit else {
                throw ImageStoreError(.corrupted, "more than the \(limit) bytes that were announced or allowed")
            }
            try writeAll(state.descriptor, bytes)
            state.digest.update(bytes)
            state.firstBytes += bytes.prefix(4 - state.firstBytes.count)
        }
    }

    /// Ends writing: an archive may have more files than a process may have descriptors.
    func seal() {
        state.withLock { state in
            if state.descriptor >= 0 { close(state.descriptor) }
            state.descriptor = -1
        }
    }

    /// The digest and the length of what has been written.
    var content: (digest: Digest, size: Int64) {
        state.withLock { ($0.digest.finish(), $0.digest.byteCount) }
    }

    func synchronize() throws(SystemError) {
        let file = try Descriptor.open(path, O_RDONLY)
        try syscall("fsync", on: path) { fsync(file.rawValue) }
    }

    /// The first four bytes, fewer of a shorter file; known even when the file has been moved away.
    var firstBytes: [UInt8] { state.withLock { $0.firstBytes } }
}
