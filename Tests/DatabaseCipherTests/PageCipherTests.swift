import Crypto
import SQLite
import Testing
import Values

@testable import DatabaseCipher

/// A page in memory.
private struct Page: Equatable {
    var bytes: [UInt8]

    /// Counts up, with the trailer free.
    init() {
        bytes = (0..<4_096).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        for index in 4_096 - PageCipher.trailerByteCount..<4_096 { bytes[index] = 0 }
    }

    func sealed(_ cipher: PageCipher, _ place: PagePlace = .database(page: 7)) -> Page {
        var page = self
        page.bytes.withUnsafeMutableBytes { cipher.seal($0, at: place) }
        return page
    }

    func opened(_ cipher: PageCipher, _ place: PagePlace = .database(page: 7)) -> Page? {
        var page = self
        return page.bytes.withUnsafeMutableBytes { cipher.open($0, at: place) } ? page : nil
    }

    func age(_ cipher: PageCipher) -> PageKeyAge {
        bytes.withUnsafeBytes { bytes in
            cipher.age(ofTrailer: UnsafeRawBufferPointer(rebasing: bytes[(4_096 - PageCipher.trailerByteCount)...]))
        }
    }
}

/// The cipher as a value: pages that were sealed, altered, moved.
@Suite struct PageCipherTests {
    private static func keys(_ count: Int = 1) -> DatabaseKeys {
        var keys = DatabaseKeys()
        for _ in 0..<count { keys.add() }
        return keys
    }

    private let cipher = keys().cipher(for: .log)!

    @Test("a page comes back as it was, and nothing of it shows") func roundTrip() throws {
        let page = Page()
        let sealed = page.sealed(cipher)
        #expect(sealed.opened(cipher) == page)
        #expect(sealed.age(cipher) == .newest)
        let alike = zip(sealed.bytes, page.bytes).count { $0 == $1 }
        #expect(alike < 60, "one byte of 256 by chance")
        #expect(page.opened(cipher) == nil, "it was not sealed")
    }

    @Test("a page that was altered in any byte does not open") func altered() {
        let sealed = Page().sealed(cipher)
        for index in stride(from: 0, to: 4_096, by: 61) + Array(4_096 - PageCipher.trailerByteCount..<4_096) {
            var other = sealed
            other.bytes[index] ^= 1 << UInt8(index % 8)
            #expect(other.opened(cipher) == nil, "byte \(index)")
        }
    }

    @Test("a page opens in its own place alone") func moved() {
        let places: [PagePlace] = [
            .database(page: 7), .database(page: 8), .database(page: 7 << 32), .log(frame: 7), .journal(offset: 7),
        ]
        for place in places {
            let sealed = Page().sealed(cipher, place)
            for other in places { #expect((sealed.opened(cipher, other) != nil) == (other == place)) }
        }
    }

    @Test("no two are sealed alike") func nonces() {
        let page = Page()
        var nonces: Set<[UInt8]> = []
        var bodies: Set<[UInt8]> = []
        for _ in 0..<1_000 {
            let sealed = page.sealed(cipher)
            nonces.insert(Array(sealed.bytes[4_056..<4_080]))
            bodies.insert(Array(sealed.bytes[..<64]))
        }
        #expect(nonces.count == 1_000 && bodies.count == 1_000)
    }

    @Test("another kind of database, another host: another key") func otherKeys() throws {
        let keys = Self.keys()
        let log = try #require(keys.cipher(for: .log))
        let sealed = Page().sealed(log)
        #expect(try sealed.opened(#require(keys.cipher(for: .state))) == nil)
        #expect(sealed.opened(cipher) == nil)
        #expect(sealed.age(cipher) == .unknown)
        #expect(try sealed.opened(#require(keys.cipher(for: .log))) == Page())
    }

    @Test("an older key opens and does not seal") func rotation() throws {
        var keys = Self.keys()
        let old = Page().sealed(try #require(keys.cipher(for: .log)))
        keys.add()
        let cipher = try #require(keys.cipher(for: .log))
        #expect(keys.hasOlder && cipher.hasOlderKeys)
        #expect(old.opened(cipher) == Page() && old.age(cipher) == .older)
        #expect(Page().sealed(cipher).age(cipher) == .newest)
        keys.removeOlder()
        let last = try #require(keys.cipher(for: .log))
        #expect(old.opened(last) == nil && old.age(last) == .unknown)
        #expect(Page().sealed(cipher).opened(last) == Page())
        #expect(!keys.hasOlder && !last.hasOlderKeys)
        #expect(DatabaseKeys().cipher(for: .log) == nil)
    }

    @Test("the head of a frame") func blocks() {
        let block = (0..<16).map { UInt8($0) }
        var sealed = block
        sealed.withUnsafeMutableBytes { cipher.sealBlock($0) }
        #expect(zip(sealed, block).count { $0 == $1 } < 8)
        let page = Page().sealed(cipher)
        func opened(_ page: Page) -> [UInt8]? {
            var bytes = sealed
            let isKnown = bytes.withUnsafeMutableBytes { block in
                page.bytes.withUnsafeBytes {
                    cipher.openBlock(
                        block, trailer: UnsafeRawBufferPointer(rebasing: $0[(4_096 - PageCipher.trailerByteCount)...]))
                }
            }
            return isKnown ? bytes : nil
        }
        #expect(opened(page) == block)
        #expect(opened(Page()) == nil)
    }

    /// C2SP, XAES-256-GCM, "Test Vectors".
    @Test(arguments: [
        (UInt8(1), "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ])
    func extendedNonces(byte: UInt8, associated: String, expected: String) throws {
        let key = ExtendedNonceKey(SymmetricKey(data: [UInt8](repeating: byte, count: 32)))
        let nonce = Array("ABCDEFGHIJKLMNOPQRSTUVWX".utf8)
        let box = try AES.GCM.seal(
            Array("XAES-256-GCM".utf8), using: nonce.withUnsafeBytes { key.messageKey($0) },
            nonce: AES.GCM.Nonce(data: nonce[12...]), authenticating: Array(associated.utf8))
        #expect(Hex.encode(box.ciphertext) + Hex.encode(box.tag) == expected)
    }

    @Test("keys are written and read, and never shown") func written() throws {
        let keys = Self.keys(2)
        #expect(!"\(keys)".contains(keys.keys[0].secret) && "\(keys)" == "2 database keys")
    }
}
