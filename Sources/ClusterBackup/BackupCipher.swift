import Crypto
import CryptoExtras
import FoundationEssentials
import Values

/// Seals and opens the pieces of one backup, in their order.
struct BackupCipher {
    private let key: SymmetricKey
    /// What every piece is bound to: the file's beginning.
    private let context: [UInt8]
    private var counter: UInt64 = 0

    /// What sealing adds to a piece, in bytes.
    static let overhead = 16

    /// - Parameter beginning: the file's bytes before the first piece.
    init(_ encryption: BackupPreamble.Encryption, passphrase: [UInt8], beginning: [UInt8]) throws(BackupError) {
        guard encryption.isAcceptable, let salt = Hex.decode(encryption.salt) else {
            throw .damaged("its encryption is not known to this version")
        }
        do {
            key = try KDF.Scrypt.deriveKey(
                from: passphrase, salt: salt, outputByteCount: BackupPreamble.Encryption.keyByteCount,
                rounds: encryption.rounds, blockSize: encryption.blockSize, parallelism: encryption.parallelism,
                maxMemory: BackupPreamble.Encryption.memoryLimit)
        } catch {
            throw .storage("the key cannot be derived: \(error)")
        }
        context = Array(SHA256.hash(data: beginning))
    }

    mutating func seal(_ bytes: [UInt8], isLast: Bool) throws(BackupError) -> [UInt8] {
        do {
            let box = try ChaChaPoly.seal(bytes, using: key, nonce: nonce(), authenticating: context + [isLast ? 1 : 0])
            return Array(box.ciphertext) + Array(box.tag)
        } catch {
            throw .storage("a piece cannot be sealed: \(error)")
        }
    }

    mutating func open(_ bytes: [UInt8], isLast: Bool) throws(BackupError) -> [UInt8] {
        guard bytes.count >= Self.overhead else { throw .damaged("a piece is too short") }
        do {
            let box = try ChaChaPoly.SealedBox(
                nonce: nonce(), ciphertext: bytes.dropLast(Self.overhead), tag: bytes.suffix(Self.overhead))
            return Array(try ChaChaPoly.open(box, using: key, authenticating: context + [isLast ? 1 : 0]))
        } catch {
            throw .passphraseWrong
        }
    }

    /// The piece's number: with a key of its own for each file it never comes twice.
    private mutating func nonce() throws -> ChaChaPoly.Nonce {
        defer { counter += 1 }
        let bytes =
            [UInt8](repeating: 0, count: 4) + (0..<8).map { UInt8(truncatingIfNeeded: counter >> (56 - 8 * $0)) }
        return try ChaChaPoly.Nonce(data: bytes)
    }
}
