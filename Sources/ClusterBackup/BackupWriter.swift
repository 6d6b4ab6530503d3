import Glibc
import JSON
import LinuxSystem
import SQLite
import Values

import struct Crypto.SHA256

/// Writes a backup to a descriptor, piece by piece; it waits for whoever reads.
public struct BackupWriter {
    private let descriptor: Int32
    private var digest = SHA256()
    private var cipher: BackupCipher?
    private var pending: [UInt8] = []

    /// - Parameters:
    ///   - version: the format's.
    ///   - passphrase: nil leaves the backup unencrypted.
    ///   - encryption: with 16 random bytes of salt.
    private init(
        to descriptor: Int32, _ version: UInt32, passphrase: [UInt8]?, _ encryption: BackupPreamble.Encryption
    ) throws(BackupError) {
        self.descriptor = descriptor
        var preamble = BackupPreamble()
        if passphrase != nil { preamble.encryption = encryption }
        let beginning = try preamble.encoded(version)
        if let encryption = preamble.encryption, let passphrase {
            cipher = try BackupCipher(encryption, passphrase: passphrase, beginning: beginning)
        }
        try emit(beginning)
    }

    /// Writes a whole backup.
    ///
    /// - Parameters:
    ///   - state: the path of the state's file, which the manifest describes.
    ///   - disk: which may have sealed it; in the backup it is not sealed by that.
    public static func write(
        _ manifest: BackupManifest, state path: String, on disk: SealedDisk? = nil, to descriptor: Int32,
        passphrase: [UInt8]?
    ) throws(BackupError) {
        let salt = (0..<BackupPreamble.Encryption.saltByteCount).map { _ in UInt8.random(in: 0...255) }
        try write(
            manifest, state: path, on: disk, to: descriptor, passphrase: passphrase, .init(salt: Hex.encode(salt)))
    }

    static func write(
        _ manifest: BackupManifest, state path: String, on disk: SealedDisk? = nil, to descriptor: Int32,
        passphrase: [UInt8]?, _ encryption: BackupPreamble.Encryption
    ) throws(BackupError) {
        let version =
            (manifest.clusterVersion ?? 1) > 1 ? BackupPreamble.version : BackupPreamble.versionWithoutClusters
        var writer = try BackupWriter(to: descriptor, version, passphrase: passphrase, encryption)
        let text: [UInt8]
        do { text = try JSONCoding.encode(manifest) } catch { throw .storage("\(error)") }
        try writer.add(BackupPreamble.number(UInt32(text.count)) + text)
        var count: UInt64 = 0
        do {
            let file = try DatabaseFile(path: path, on: disk)
            while true {
                let bytes = try file.read(at: count, upTo: 1 << 20)
                if bytes.isEmpty { break }
                count += UInt64(bytes.count)
                try writer.add(bytes)
            }
        } catch let error as SystemError {
            throw .storage("\(error)")
        } catch let error as BackupError {
            throw error
        } catch {
            throw .storage("\(error)")
        }
        guard count == manifest.stateBytes else { throw .storage("\(path) changed while it was read") }
        try writer.finish()
    }

    private mutating func add(_ bytes: [UInt8]) throws(BackupError) {
        pending += bytes
        var start = 0
        while pending.count - start > BackupPreamble.pieceByteCount {
            let end = start + BackupPreamble.pieceByteCount
            try emitPiece(Array(pending[start..<end]), isLast: false)
            start = end
        }
        if start > 0 { pending.removeFirst(start) }
    }

    private mutating func finish() throws(BackupError) {
        try emitPiece(pending, isLast: true)
        pending = []
        try emit(Array(digest.finalize()))
    }

    private mutating func emitPiece(_ bytes: [UInt8], isLast: Bool) throws(BackupError) {
        let sealed = try cipher?.seal(bytes, isLast: isLast) ?? bytes
        try emit([isLast ? 1 : 0] + BackupPreamble.number(UInt32(sealed.count)) + sealed)
    }

    private mutating func emit(_ bytes: [UInt8]) throws(BackupError) {
        digest.update(data: bytes)
        do { try Bytes.writeAll(descriptor, bytes) } catch { throw .storage("\(error)") }
    }
}

/// The SHA-256 of a state's file, as it would lie there if it were not sealed.
public enum FileDigest {
    public static func of(
        _ path: String, on disk: SealedDisk? = nil
    ) throws(SystemError) -> (digest: Digest, byteCount: UInt64) {
        let file = try DatabaseFile(path: path, on: disk)
        var digest = SHA256()
        var count: UInt64 = 0
        while true {
            let bytes = try file.read(at: count, upTo: 1 << 20)
            if bytes.isEmpty { return (Digest(sha256: digest.finalize()), count) }
            count += UInt64(bytes.count)
            digest.update(data: bytes)
        }
    }
}
