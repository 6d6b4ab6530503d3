import ClusterModel
import DatabaseCipher
import Glibc
import JSON
import LinuxSystem
import TestSupport
import Testing
import Values

@testable import ClusterPKI

/// A host's keys on its disk, locked and not.
@Suite struct KeyFileTests {
    private let keys: HostKeys
    private let folder: TemporaryDirectory
    private var path: String { folder.path("cluster/keys.json") }
    private var directory: String { folder.path("cluster") }

    init() throws {
        let authority = try CertificateAuthority.create(clusterID: "c", at: Timestamp(secondsSinceEpoch: 1_800_000_000))
        let identity = try authority.makeIdentity(
            for: "n", role: .manager, at: Timestamp(secondsSinceEpoch: 1_800_000_000))
        var generator = SystemRandomNumberGenerator()
        var dataKeys = DataKeys()
        dataKeys.add(using: &generator)
        var databaseKeys = DatabaseKeys()
        databaseKeys.add()
        databaseKeys.add()
        keys = HostKeys(identity: identity, dataKeys: dataKeys, databaseKeys: databaseKeys)
        folder = try TemporaryDirectory("keys")
    }

    private func save(_ key: UnlockKey?, version: UInt64 = 1) throws {
        try KeyFile(keys, lock: KeyLock(key: key, version: version)).save(directory: directory)
    }

    private func load() throws -> KeyFile { try #require(try KeyFile.load(directory: directory)) }

    /// What nobody may read who only has the disk.
    private var secrets: [String] {
        let lines = keys.identity.keyPEM.split(separator: "\n").dropFirst().dropLast().map(String.init)
        let others = [try? JSONCoding.encode(keys.dataKeys), try? JSONCoding.encode(keys.databaseKeys)].map { bytes in
            let parts: [Substring] = String(decoding: bytes ?? [], as: UTF8.self).split(separator: "\"")
            return String(parts.max { $0.count < $1.count } ?? "")
        }
        return lines + others
    }

    private func readable(in directory: String) throws -> [String] {
        try Files.list(directory).filter { name in
            let text = try Files.text("\(directory)/\(name)")
            return secrets.contains { text.contains($0) }
        }
    }

    @Test("Nothing locks them: they are there again, for root alone")
    func unlocked() throws {
        #expect(try KeyFile.load(directory: directory) == nil)
        try save(nil, version: 7)
        let file = try load()
        #expect(!file.isLocked)
        let (found, lock) = try file.open()
        #expect(found == keys && lock == KeyLock(version: 7))
        #expect(try file.open(with: UnlockKey()).0 == keys, "a key that nothing needs is no harm")
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o7777 == 0o600)
        #expect(try readable(in: directory) == ["keys.json"], "the search finds what it is to find")
    }

    @Test("Locked, only their key opens them, and nothing of them can be read")
    func locked() throws {
        let key = UnlockKey()
        try save(key, version: 7)
        let file = try load()
        #expect(file.isLocked)
        #expect(throws: PKIError.locked) { try file.open() }
        #expect(throws: PKIError.wrongUnlockKey) { try file.open(with: UnlockKey()) }
        let (found, lock) = try file.open(with: key)
        #expect(found == keys && lock == KeyLock(key: key, version: 7))
        #expect(try readable(in: directory) == [])
        #expect(try !Files.text(path).contains(key.text.dropFirst(9)))
    }

    @Test("One that is cut off, changed, or of a newer version is refused; its words are not repeated")
    func damaged() throws {
        let key = UnlockKey()
        for lock in [nil, key] {
            try save(lock)
            let whole = try Files.read(path)
            for count in [0, 1, whole.count / 2, whole.count - 1] {
                try Files.write(path, Array(whole.prefix(count)))
                let error = #expect(throws: PKIError.self) { try KeyFile.load(directory: directory) }
                #expect(error?.description.contains(path) == true)
                #expect(secrets.allSatisfy { error?.description.contains($0) == false })
            }
            let newer = String(decoding: whole, as: UTF8.self).replacing("\"format\":1", with: "\"format\":2")
            try Files.write(path, newer)
            #expect(throws: PKIError.self) { try KeyFile.load(directory: directory) }
        }
        try save(key, version: 7)
        let text = try Files.text(path)
        try Files.write(path, text.replacing("\"version\":7", with: "\"version\":8"))
        let moved = try load()
        #expect(throws: PKIError.wrongUnlockKey) { try moved.open(with: key) }
        let box = try #require(try JSONValue(parsing: Array(text.utf8))["box"]?.string)
        var bytes = try #require(Base64.decode(box))
        bytes[bytes.count / 2] ^= 1
        try Files.write(path, text.replacing(box, with: Base64.encode(bytes)))
        let changed = try load()
        #expect(throws: PKIError.wrongUnlockKey) { try changed.open(with: key) }
    }

    @Test("A change that is cut short leaves the lock of before, or has the new one, and nothing in the clear")
    func cutShort() throws {
        let (old, new) = (UnlockKey(), UnlockKey())
        let temporary = path + Files.temporarySuffix
        for (before, after) in [(nil, old), (old, new), (old, nil)] as [(UnlockKey?, UnlockKey?)] {
            try save(after, version: 2)
            let written = try Files.read(path)
            // Every moment before the rename: what is there of the new file is of no effect.
            for count in [0, 1, written.count / 2, written.count] {
                try save(before, version: 1)
                try Files.write(temporary, Array(written.prefix(count)))
                let (found, lock) = try load().open(with: before)
                #expect(found == keys && lock == KeyLock(key: before, version: 1))
                #expect(!Files.exists(temporary), "it may hold keys that are not locked")
            }
            try save(after, version: 2)
            #expect(try load().open(with: after).1 == KeyLock(key: after, version: 2))
        }
        try save(new)
        #expect(try readable(in: directory) == [])
    }

    @Test("The keys of a version that kept them apart are put into one file, also where that was cut short")
    func earlierVersion() throws {
        let old = [directory + "/node.pem", directory + "/data-keys.json"]
        func write() throws {
            try Files.makeDirectories(directory)
            try Files.write(old[0], keys.identity.keyPEM + "\n" + keys.identity.certificatePEM + "\n")
            try Files.write(old[1], JSONCoding.encode(keys.dataKeys))
        }
        try write()
        // It knew of no database keys.
        #expect(try load().open().0 == HostKeys(identity: keys.identity, dataKeys: keys.dataKeys))
        #expect(try Files.list(directory) == ["keys.json"])
        // The old files were not removed yet.
        try write()
        try save(UnlockKey())
        #expect(try load().isLocked)
        #expect(try Files.list(directory) == ["keys.json"])
        try Files.removeTree(path)
        // A worker has no data keys.
        try write()
        try Files.removeTree(old[1])
        #expect(try load().open().0 == HostKeys(identity: keys.identity))
    }
}

/// What locks a host, from one state of the cluster to the next.
@Suite struct KeyLockTests {
    private let first = UnlockKey()
    private let second = UnlockKey()

    @Test("A newer state's lock is taken, an older one's never again")
    func follows() {
        var lock = KeyLock()
        #expect(!lock.follow(nil, version: 3) && lock == KeyLock(version: 3))
        #expect(lock.follow(first, version: 5) && lock == KeyLock(key: first, version: 5))
        #expect(!lock.follow(first, version: 8) && lock.version == 8)
        #expect(lock.follow(second, version: 9) && lock.key == second)
        // What a host that starts again sees on its way to the newest state.
        for (key, version) in [(nil, 3), (first, 5), (first, 9)] as [(UnlockKey?, UInt64)] {
            #expect(!lock.follow(key, version: version) && lock == KeyLock(key: second, version: 9))
        }
        #expect(lock.follow(nil, version: 10) && lock == KeyLock(version: 10))
    }
}

/// Docker: `SWMKEY-1-` and base64 without padding.
@Suite struct UnlockKeyTests {
    @Test func text() throws {
        let key = UnlockKey()
        #expect(key.text.hasPrefix("SWMKEY-1-") && key.text.utf8.count == 9 + 43)
        #expect(try UnlockKey(parsing: key.text) == key)
        #expect(try UnlockKey(parsing: " \(key.text)\r\n") == key, "as it comes from a terminal")
        #expect(key != UnlockKey() && "\(key)" == "an unlock key")
        let known = "SWMKEY-1-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
        #expect(try UnlockKey(parsing: known).bytes == Array(0..<32))
        #expect(try UnlockKey(parsing: known).text == known)
    }

    @Test(arguments: ["", "SWMKEY-1-", "SWMKEY-1-AAAA", "SWMKEY-2-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "x"])
    func refused(text: String) {
        #expect(throws: PKIError.invalidUnlockKey) { try UnlockKey(parsing: text) }
    }
}
