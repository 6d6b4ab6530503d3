import JSON
import Values

/// How the rest of a backup is to be read. It is not encrypted, and every encrypted piece is bound to it.
///
/// A backup is `MARTLETB`, the format's version and the preamble's length (32 bits each, most significant byte first),
/// the preamble as JSON, pieces, and the SHA-256 of all that. A piece is a byte (1 for the last one, else 0), its
/// length (32 bits), and its bytes. The pieces together are the manifest's length (32 bits), the manifest as JSON, and
/// the state's SQLite file.
public struct BackupPreamble: Hashable, Sendable, Codable {
    static let magic = Array("MARTLETB".utf8)
    /// 2 where the cluster has a version: who knows only format 1 would not look at it.
    static let version: UInt32 = 2
    static let versionWithoutClusters: UInt32 = 1
    /// The longest preamble and the longest manifest, in bytes.
    static let byteLimit = 64 << 10
    /// The most of the content that is in one piece, in bytes.
    static let pieceByteCount = 64 << 10

    /// nil where anybody may read it.
    var encryption: Encryption?

    /// scrypt (RFC 7914) makes the key of a passphrase, ChaCha20-Poly1305 (RFC 8439) seals each piece under the number
    /// of its place.
    struct Encryption: Hashable, Sendable, Codable {
        /// Memory that a file may ask for at most, in bytes: 128 * rounds * blockSize.
        static let memoryLimit = 256 << 20
        static let saltByteCount = 16
        static let keyByteCount = 32

        var derivation = "scrypt"
        var rounds = 1 << 16
        var blockSize = 8
        var parallelism = 2
        /// Hexadecimal.
        var salt: String
        var cipher = "chacha20-poly1305"

        /// Whether this version can and should derive a key so.
        var isAcceptable: Bool {
            derivation == "scrypt" && cipher == "chacha20-poly1305" && (1 << 10...1 << 20).contains(rounds)
                && rounds & (rounds - 1) == 0 && (1...16).contains(blockSize) && (1...16).contains(parallelism)
                && 128 * rounds * blockSize <= Self.memoryLimit && Hex.decode(salt)?.count == Self.saltByteCount
        }
    }

    /// The bytes with which a backup of a version begins.
    func encoded(_ version: UInt32) throws(BackupError) -> [UInt8] {
        let text: [UInt8]
        do { text = try JSONCoding.encode(self) } catch { throw .storage("\(error)") }
        return Self.magic + Self.number(version) + Self.number(UInt32(text.count)) + text
    }

    static func number(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
    }

    static func number(_ bytes: some Sequence<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }
}
