import CLinux
import Glibc

/// A file descriptor with one owner, closed when the owner ends. Close-on-exec from creation.
public struct Descriptor: ~Copyable, Sendable {
    public let rawValue: Int32

    /// Takes over an open descriptor.
    public init(owning rawValue: Int32) { self.rawValue = rawValue }

    deinit { close(rawValue) }

    /// Gives the descriptor up without closing it.
    public consuming func release() -> Int32 {
        let value = rawValue
        discard self
        return value
    }

    /// Opens `path` (open(2)); O_CLOEXEC is added.
    public static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o644) throws(SystemError) -> Descriptor {
        Descriptor(owning: try syscall("open", on: path) { Glibc.open(path, flags | O_CLOEXEC, mode) })
    }

    /// Both ends of a pipe: what is written to the second is read from the first.
    public static func pipe() throws(SystemError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        try checked("pipe2", cl_pipe2(&ends, O_CLOEXEC))
        return (ends[0], ends[1])
    }
}

/// Writing files so that others do not have to wait for it.
public enum GradualWriting {
    /// Sends what was written to a file to the disk and waits for it (sync_file_range(2)). It promises nothing: an
    /// fsync has to follow.
    public static func writeOut(_ descriptor: Int32) { _ = cl_write_out(descriptor) }
}

/// Reading and writing descriptors that somebody else owns.
public enum Bytes {
    /// Writes all of `bytes` (write(2)).
    public static func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) throws(SystemError) {
        var written = 0
        while written < bytes.count {
            written += try syscall("write") {
                bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + written, bytes.count - written) }
            }
        }
    }

    /// Reads up to `count` bytes; empty at the end (read(2)).
    public static func read(_ descriptor: Int32, upTo count: Int) throws(SystemError) -> [UInt8] {
        var failure: SystemError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, received in
            do throws(SystemError) {
                received = try syscall("read") { Glibc.read(descriptor, buffer.baseAddress, count) }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Reads to the end, at most `limit` bytes; EFBIG where there is more.
    public static func readToEnd(_ descriptor: Int32, limit: Int) throws(SystemError) -> [UInt8] {
        // Most files are small, and memory that is not touched costs nothing.
        var bytes: [UInt8] = []
        var count = 1 << 12
        while true {
            let piece = try read(descriptor, upTo: count)
            if piece.isEmpty { return bytes }
            guard bytes.count + piece.count <= limit else { throw SystemError("read", errno: EFBIG) }
            if bytes.isEmpty { bytes = piece } else { bytes += piece }
            count = min(count * 4, 1 << 16)
        }
    }
}
