import Glibc
import JSON
import LinuxSystem
import SQLite
import Values

import struct Crypto.SHA256

/// Reads a backup from a descriptor and checks all of it; nothing of what it holds counts before that.
public struct BackupReader {
    private let descriptor: Int32
    private var digest = SHA256()

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Reads a backup to its end and writes its state into a new file.
    ///
    /// - Parameter disk: which seals the file where it can.
    /// - Returns: the manifest, when everything was as it should be. The file at `path` is whole then, and on the disk;
    ///   otherwise it is of no use.
    public static func read(
        from descriptor: Int32, passphrase: [UInt8]?, state path: String, on disk: SealedDisk? = nil
    ) throws(BackupError) -> BackupManifest {
        var reader = BackupReader(descriptor)
        var cipher = try reader.begin(passphrase)
        var content = BackupContent()
        do {
            var file = try ArrivingDatabaseFile(path: path, on: disk)
            var isLast = false
            while !isLast {
                var piece: [UInt8]
                (piece, isLast) = try reader.piece(isSealed: cipher != nil)
                if cipher != nil { piece = try cipher!.open(piece, isLast: isLast) }
                try file.add(content.take(piece))
            }
            try reader.end()
            try file.finish()
        } catch let error as BackupError {
            throw error
        } catch {
            throw .storage("\(error)")
        }
        return try content.finish()
    }

    /// The preamble; the cipher where the rest is sealed.
    private mutating func begin(_ passphrase: [UInt8]?) throws(BackupError) -> BackupCipher? {
        var start: [UInt8]
        do { start = try take(16) } catch BackupError.truncated { throw .foreign }
        guard start.starts(with: BackupPreamble.magic) else { throw .foreign }
        let version = BackupPreamble.number(start[8..<12])
        guard (BackupPreamble.versionWithoutClusters...BackupPreamble.version).contains(version) else {
            throw .unknownVersion(version)
        }
        let length = Int(BackupPreamble.number(start[12..<16]))
        guard length <= BackupPreamble.byteLimit else { throw .damaged("its beginning is too long") }
        let text = try take(length)
        let preamble: BackupPreamble
        do { preamble = try JSONCoding.decode(BackupPreamble.self, from: text) } catch {
            throw .damaged("its beginning is unreadable: \(error)")
        }
        start += text
        guard let encryption = preamble.encryption else {
            guard passphrase == nil else { throw .notEncrypted }
            return nil
        }
        guard let passphrase else { throw .passphraseNeeded }
        return try BackupCipher(encryption, passphrase: passphrase, beginning: start)
    }

    private mutating func piece(isSealed: Bool) throws(BackupError) -> (bytes: [UInt8], isLast: Bool) {
        let head = try take(5)
        let length = Int(BackupPreamble.number(head[1..<5]))
        guard head[0] <= 1, length <= BackupPreamble.pieceByteCount + (isSealed ? BackupCipher.overhead : 0) else {
            throw .damaged("a piece's head makes no sense")
        }
        return (try take(length), head[0] == 1)
    }

    /// The checksum, and nothing behind it.
    private mutating func end() throws(BackupError) {
        let expected = Array(digest.finalize())
        guard try take(expected.count) == expected else { throw .damaged("its checksum is another") }
        let rest: [UInt8]
        do { rest = try Bytes.read(descriptor, upTo: 1) } catch { throw .storage("\(error)") }
        guard rest.isEmpty else { throw .damaged("something follows its end") }
    }

    private mutating func take(_ count: Int) throws(BackupError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more: [UInt8]
            do { more = try Bytes.read(descriptor, upTo: count - bytes.count) } catch { throw .storage("\(error)") }
            guard !more.isEmpty else { throw .truncated }
            bytes += more
        }
        digest.update(data: bytes)
        return bytes
    }
}

/// Takes the content of a backup apart: the manifest, then the state, which is measured.
private struct BackupContent {
    private var beginning: [UInt8] = []
    private var manifest: BackupManifest?
    private var digest = SHA256()
    private var byteCount: UInt64 = 0

    /// - Returns: what of these bytes belongs to the state.
    mutating func take(_ bytes: [UInt8]) throws(BackupError) -> [UInt8] {
        guard manifest == nil else { return try measure(bytes) }
        beginning += bytes
        guard beginning.count >= 4 else { return [] }
        let length = Int(BackupPreamble.number(beginning[..<4]))
        guard length <= BackupPreamble.byteLimit else { throw .damaged("its manifest is too long") }
        guard beginning.count >= 4 + length else { return [] }
        do {
            manifest = try JSONCoding.decode(BackupManifest.self, from: Array(beginning[4..<4 + length]))
        } catch {
            throw .damaged("its manifest is unreadable: \(error)")
        }
        defer { beginning = [] }
        return try measure(Array(beginning[(4 + length)...]))
    }

    private mutating func measure(_ bytes: [UInt8]) throws(BackupError) -> [UInt8] {
        byteCount += UInt64(bytes.count)
        guard let manifest, byteCount <= manifest.stateBytes else {
            throw .damaged("its state is longer than its manifest says")
        }
        digest.update(data: bytes)
        return bytes
    }

    func finish() throws(BackupError) -> BackupManifest {
        guard let manifest else { throw .damaged("it has no manifest") }
        guard byteCount == manifest.stateBytes, Digest(sha256: digest.finalize()) == manifest.stateDigest else {
            throw .damaged("its state is not what its manifest says")
        }
        return manifest
    }
}
