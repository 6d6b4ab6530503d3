import Fuzzing
import Glibc
import JSON
import LinuxSystem
import TestSupport
import Testing
import Values

import struct Crypto.SHA256

@testable import ClusterBackup

/// Backups from anywhere: broken, and forged with a checksum that is right.
@Suite struct BackupFuzzTests {
    private static let passphrase = Array("correct horse".utf8)

    private static func backup(_ folder: borrowing TemporaryDirectory, passphrase: [UInt8]? = nil) throws -> [UInt8] {
        let state = folder.path + "/state"
        try Files.write(state, [UInt8](repeating: 7, count: 50))
        let (digest, byteCount) = try FileDigest.of(state)
        let manifest = BackupManifest(
            clusterID: "c", history: "h", revision: 17, time: Timestamp(secondsSinceEpoch: 5), term: 3, nodeID: "n",
            writtenAt: Timestamp(secondsSinceEpoch: 6), version: "0.1.0", stateBytes: byteCount, stateDigest: digest,
            dataKeys: ["keys": [["id": "k", "secret": "s"]]])
        let path = folder.path + "/backup"
        do {
            let file = try Descriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC)
            var encryption = BackupPreamble.Encryption(salt: String(repeating: "0a", count: 16))
            (encryption.rounds, encryption.blockSize, encryption.parallelism) = (1 << 10, 1, 1)
            try BackupWriter.write(manifest, state: state, to: file.rawValue, passphrase: passphrase, encryption)
        }
        return try Files.read(path)
    }

    /// What is read of it is a backup again, with the same manifest and the same state.
    private static func check(
        _ bytes: [UInt8], _ passphrase: [UInt8]?, _ folder: borrowing TemporaryDirectory
    ) throws -> Fuzzer.Verdict {
        let (source, target, again) = (folder.path + "/read", folder.path + "/target", folder.path + "/again")
        try Files.write(source, bytes)
        for path in [target, again] { unlink(path) }
        let manifest: BackupManifest
        do {
            let file = try Descriptor.open(source, O_RDONLY)
            manifest = try BackupReader.read(from: file.rawValue, passphrase: passphrase, state: target)
        } catch is BackupError {
            return .refused
        }
        do {
            let file = try Descriptor.open(source, O_WRONLY | O_TRUNC)
            try BackupWriter.write(manifest, state: target, to: file.rawValue, passphrase: nil)
        }
        let file = try Descriptor.open(source, O_RDONLY)
        let second = try BackupReader.read(from: file.rawValue, passphrase: nil, state: again)
        return try second == manifest && Files.read(again) == Files.read(target)
            ? .taken : .wrong("it is another backup when it is written again")
    }

    private static func run(
        _ name: String, _ examples: [[UInt8]], _ passphrase: [UInt8]?, _ folder: borrowing TemporaryDirectory,
        _ change: ([UInt8]) -> [UInt8]
    ) -> Fuzzer.Report {
        Fuzzer(name).run(examples) { input in
            do { return try check(change(input), passphrase, folder) } catch { return .wrong("\(error)") }
        }
    }

    @Test func broken() throws {
        let folder = try TemporaryDirectory()
        let report = Self.run("backups", [try Self.backup(folder)], nil, folder) { $0 }
        #expect(report.finding == nil)
        let sealed = try Self.backup(folder, passphrase: Self.passphrase)
        #expect(Self.run("backups-sealed", [sealed], Self.passphrase, folder) { $0 }.finding == nil)
    }

    /// What a forger changes, with the checksum over it.
    @Test func forged() throws {
        let folder = try TemporaryDirectory()
        let example = Array(try Self.backup(folder).dropLast(32))
        let report = Self.run("backups-forged", [example], nil, folder) { $0 + Array(SHA256.hash(data: $0)) }
        #expect(report.finding == nil)
        #expect(report.inputs == 0 || report.taken > 0, "\(report)")
    }

    @Test func manifests() throws {
        let folder = try TemporaryDirectory()
        let bytes = try Self.backup(folder)
        let begin = try #require(bytes.firstRange(of: Array("{\"clusterID".utf8))?.lowerBound)
        let end = try #require(bytes.firstRange(of: Array("06Z\"}".utf8))?.upperBound)
        let preamble = BackupPreamble(encryption: .init(salt: String(repeating: "0a", count: 16)))
        let manifests = Fuzzer("backup-manifests").run(
            [Array(bytes[begin..<end])], decode: { try JSONCoding.decode(BackupManifest.self, from: $0) },
            encode: { try JSONCoding.encode($0) })
        #expect(manifests.finding == nil)
        let preambles = Fuzzer("backup-preambles").run(
            [try JSONCoding.encode(preamble)],
            decode: { input in
                let read = try JSONCoding.decode(BackupPreamble.self, from: input)
                _ = read.encryption?.isAcceptable
                return read
            }, encode: { try JSONCoding.encode($0) })
        #expect(preambles.finding == nil)
    }
}
