import Glibc
import LinuxSystem
import Values

import struct Crypto.SHA256

/// The SHA-256 of bytes as they pass.
struct RunningDigest {
    private var hash = SHA256()
    private(set) var byteCount: Int64 = 0

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        hash.update(bufferPointer: bytes)
        byteCount += Int64(bytes.count)
    }

    func finish() -> Digest { Digest(sha256: hash.finalize()) }

    static func of(_ bytes: [UInt8]) -> Digest { Digest(sha256: SHA256.hash(data: bytes)) }
}

/// Writes all of a buffer (write(2)).
func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) throws(SystemError) {
    var written = 0
    while written < bytes.count {
        written += try syscall("write") {
            write(descriptor, bytes.baseAddress! + written, bytes.count - written)
        }
    }
}
