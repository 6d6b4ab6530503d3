import Crypto
import CryptoExtras
import Values

/// What one database key gives for one kind of databases (HKDF, RFC 5869).
struct PageKeys: Sendable {
    let id: [UInt8]
    let pages: ExtendedNonceKey
    /// Of blocks.
    let blocks: SymmetricKey

    init?(_ key: DatabaseKeys.Key, _ purpose: DatabaseKeys.Purpose) {
        guard let id = Hex.decode(key.id), id.count == PageCipher.keyIDByteCount,
            let secret = Base64.decode(key.secret), secret.count == 32
        else { return nil }
        func derived(_ use: String) -> SymmetricKey {
            HKDF<SHA256>.deriveKey(
                inputKeyMaterial: SymmetricKey(data: secret),
                info: Array("martlet database 1 \(purpose.rawValue) \(use)".utf8), outputByteCount: 32)
        }
        self.id = id
        pages = ExtendedNonceKey(derived("pages"))
        blocks = derived("blocks")
    }
}

/// A key for AES-256-GCM with nonces of 192 bits, which may be random however many messages there are: half of the
/// nonce makes a key of its own for the message (C2SP, XAES-256-GCM).
struct ExtendedNonceKey: Sendable {
    static let nonceByteCount = 24

    private let key: SymmetricKey
    /// The first subkey of CMAC (NIST SP 800-38B, section 6.1).
    private let mask: [UInt8]

    init(_ key: SymmetricKey) {
        self.key = key
        var block = Self.encrypted([UInt8](repeating: 0, count: 16), key)
        let carry = block[0] >> 7
        for index in block.indices { block[index] = block[index] << 1 | (index < 15 ? block[index + 1] >> 7 : 0) }
        block[15] ^= carry &* 0x87
        mask = block
    }

    /// The key of the message with this nonce, whose last 12 bytes are the nonce that goes with it.
    func messageKey(_ nonce: UnsafeRawBufferPointer) -> SymmetricKey {
        SymmetricKey(data: half(1, nonce) + half(2, nonce))
    }

    private func half(_ number: UInt8, _ nonce: UnsafeRawBufferPointer) -> [UInt8] {
        var block = [0, number, UInt8(ascii: "X"), 0] + nonce[..<12]
        for index in block.indices { block[index] ^= mask[index] }
        return Self.encrypted(block, key)
    }

    private static func encrypted(_ block: [UInt8], _ key: SymmetricKey) -> [UInt8] {
        var block = block
        // It fails for wrong lengths alone.
        do { try AES.permute(&block, key: key) } catch { preconditionFailure("AES: \(error)") }
        return block
    }
}
