import Glibc
import LinuxSystem
import TestSupport
import Testing
import Values

@testable import ClusterBackup

@Suite struct BackupTests {
    private static let passphrase = Array("correct horse".utf8)

    private func manifest(_ state: [UInt8], _ path: String) throws -> BackupManifest {
        try Files.write(path, state)
        let (digest, byteCount) = try FileDigest.of(path)
        return BackupManifest(
            clusterID: "c", history: "h", revision: 17, time: Timestamp(secondsSinceEpoch: 5), term: 3, nodeID: "n",
            writtenAt: Timestamp(secondsSinceEpoch: 6), version: "0.1.0", stateBytes: byteCount, stateDigest: digest)
    }

    private func write(
        _ state: [UInt8], passphrase: [UInt8]? = nil, clusterVersion: Int? = nil,
        _ folder: borrowing TemporaryDirectory
    ) throws -> (manifest: BackupManifest, bytes: [UInt8]) {
        var manifest = try manifest(state, folder.path + "/state")
        manifest.clusterVersion = clusterVersion
        let path = folder.path + "/backup"
        do {
            let file = try Descriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC)
            var encryption = BackupPreamble.Encryption(
                salt: Hex.encode((0..<16).map { _ in UInt8.random(in: 0...255) }))
            encryption.rounds = 1 << 10
            try BackupWriter.write(
                manifest, state: folder.path + "/state", to: file.rawValue, passphrase: passphrase, encryption)
        }
        return (manifest, try Files.read(path))
    }

    @discardableResult
    private func read(
        _ bytes: [UInt8], passphrase: [UInt8]? = nil, _ folder: borrowing TemporaryDirectory
    ) throws -> (manifest: BackupManifest, state: [UInt8]) {
        let path = folder.path + "/changed"
        let target = folder.path + "/read"
        try Files.write(path, bytes)
        unlink(target)
        let file = try Descriptor.open(path, O_RDONLY)
        let manifest = try BackupReader.read(from: file.rawValue, passphrase: passphrase, state: target)
        return (manifest, try Files.read(target))
    }

    private func failure(
        _ bytes: [UInt8], passphrase: [UInt8]? = nil, _ folder: borrowing TemporaryDirectory
    ) throws -> BackupError? {
        do {
            try read(bytes, passphrase: passphrase, folder)
            return nil
        } catch let error as BackupError {
            return error
        }
    }

    @Test("What was written is read, plain and encrypted, whatever its length", arguments: [0, 1, 65_000, 200_000])
    func roundTrip(count: Int) throws {
        let folder = try TemporaryDirectory()
        let state = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        for passphrase in [nil, Self.passphrase] {
            let (manifest, bytes) = try write(state, passphrase: passphrase, folder)
            let back = try read(bytes, passphrase: passphrase, folder)
            #expect(back.manifest == manifest)
            #expect(back.state == state)
        }
    }

    @Test("The form of a backup: golden bytes")
    func golden() throws {
        let folder = try TemporaryDirectory()
        let (_, bytes) = try write(Array("state".utf8), folder)
        let manifest =
            #"{"clusterID":"c","history":"h","nodeID":"n","revision":17,"stateBytes":5,"stateDigest":"sha256:"#
            + "4ba69735ca53765ed6a709edb56c6ea236b7193a3b29a6b390c346f0f4340e4e"
            + #"","term":3,"time":"1970-01-01T00:00:05Z","version":"0.1.0","writtenAt":"1970-01-01T00:00:06Z"}"#
        var expected = Array("MARTLETB".utf8) + [0, 0, 0, 1, 0, 0, 0, 2] + Array("{}".utf8)
        expected += [1] + [0, 0, 1, 6] + [0, 0, 0, 253]
        expected += Array((manifest + "state").utf8)
        expected += Hex.decode("49dbef485ed6e70349e534c73fe670103e44acc56a7bee7819663547acbb46a1")!
        #expect(bytes == expected)
        let preamble = BackupPreamble(encryption: .init(salt: "00112233445566778899aabbccddeeff"))
        #expect(
            String(decoding: try preamble.encoded(1).dropFirst(16), as: UTF8.self)
                == #"{"encryption":{"blockSize":8,"cipher":"chacha20-poly1305","derivation":"scrypt","#
                + #""parallelism":2,"rounds":65536,"salt":"00112233445566778899aabbccddeeff"}}"#)
    }

    @Test("A cluster's version has a format of its own, so that programs which do not look at it refuse it")
    func versions() throws {
        let folder = try TemporaryDirectory()
        for (clusterVersion, format) in [(nil, 1), (2, 2), (7, 2)] as [(Int?, UInt8)] {
            let (manifest, bytes) = try write([1], clusterVersion: clusterVersion, folder)
            #expect(bytes[11] == format)
            #expect(try read(bytes, folder).manifest == manifest)
            #expect(manifest.clusterVersion == clusterVersion)
        }
        var (_, newer) = try write([1], clusterVersion: 2, folder)
        newer[11] = 3
        #expect(try failure(newer, folder) == .unknownVersion(3))
    }

    @Test("A backup that was cut off anywhere is refused")
    func truncation() throws {
        let folder = try TemporaryDirectory()
        let state = [UInt8](repeating: 7, count: 100)
        let (_, plain) = try write(state, folder)
        for count in 0..<plain.count {
            #expect(try failure(Array(plain.prefix(count)), folder) == (count < 16 ? .foreign : .truncated), "\(count)")
        }
        let (_, sealed) = try write(state, passphrase: Self.passphrase, folder)
        for count in [20, sealed.count / 2, sealed.count - 33, sealed.count - 1] {
            #expect(
                try failure(Array(sealed.prefix(count)), passphrase: Self.passphrase, folder) == .truncated, "\(count)")
        }
    }

    @Test("A backup in which a byte was changed is refused, wherever it is")
    func changes() throws {
        let folder = try TemporaryDirectory()
        let state = [UInt8](repeating: 7, count: 50)
        let (_, plain) = try write(state, folder)
        for index in plain.indices {
            var bytes = plain
            bytes[index] ^= 1
            #expect(try failure(bytes, folder) != nil, "byte \(index)")
        }
        let (_, sealed) = try write(state, passphrase: Self.passphrase, folder)
        for index in [0, 9, 20, sealed.count / 2, sealed.count - 40, sealed.count - 1] {
            var bytes = sealed
            bytes[index] ^= 1
            #expect(try failure(bytes, passphrase: Self.passphrase, folder) != nil, "byte \(index)")
        }
    }

    @Test("Files that are no backups, or of another form, are refused by name")
    func foreigners() throws {
        let folder = try TemporaryDirectory()
        #expect(try failure([], folder) == .foreign)
        #expect(try failure(Array("SQLite format 3 and so on".utf8), folder) == .foreign)
        var (_, bytes) = try write([1], folder)
        #expect(try failure(bytes + [0], folder) == .damaged("something follows its end"))
        bytes[11] = 9
        #expect(try failure(bytes, folder) == .unknownVersion(9))
    }

    @Test("Without its passphrase an encrypted backup is not read, and a plain one takes none")
    func passphrases() throws {
        let folder = try TemporaryDirectory()
        let secret = Array("the secret state".utf8)
        let (_, sealed) = try write(secret, passphrase: Self.passphrase, folder)
        #expect(!String(decoding: sealed, as: UTF8.self).contains("secret"))
        #expect(try failure(sealed, folder) == .passphraseNeeded)
        #expect(try failure(sealed, passphrase: Array("wrong".utf8), folder) == .passphraseWrong)
        let (_, plain) = try write(secret, folder)
        #expect(try failure(plain, passphrase: Self.passphrase, folder) == .notEncrypted)
        let (_, again) = try write(secret, passphrase: Self.passphrase, folder)
        #expect(again != sealed, "each has a key of its own")
    }

    @Test("A file does not choose how much memory its reader spends")
    func greed() throws {
        var encryption = BackupPreamble.Encryption(salt: String(repeating: "00", count: 16))
        #expect(encryption.isAcceptable)
        encryption.rounds = 1 << 20
        #expect(!encryption.isAcceptable)
        encryption.rounds = 3 << 12
        #expect(!encryption.isAcceptable)
        #expect(throws: BackupError.damaged("its encryption is not known to this version")) {
            _ = try BackupCipher(encryption, passphrase: [1], beginning: [])
        }
    }
}
