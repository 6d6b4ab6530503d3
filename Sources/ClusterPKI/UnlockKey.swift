import Crypto
import Values

/// The key that locks what managers keep on their disks, as its owner writes it down.
///
/// Written as in Docker's swarm mode: `SWMKEY-1-` and 32 bytes as base64 text without padding.
public struct UnlockKey: Hashable, Sendable, CustomStringConvertible {
    static let byteCount = 32
    private static let prefix = "SWMKEY-1-"

    /// Never log them.
    let bytes: [UInt8]

    /// A new key.
    public init() {
        bytes = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
    }

    /// Parses a key's text; spaces and line ends around it do not count. Else it throws Docker's "invalid key string".
    public init(parsing text: String) throws(PKIError) {
        let text = String(text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
        guard text.hasPrefix(Self.prefix), let bytes = Base64.decode(text.dropFirst(Self.prefix.utf8.count)),
            bytes.count == Self.byteCount
        else { throw .invalidUnlockKey }
        self.bytes = bytes
    }

    /// The key as its owner writes it down. Never log it.
    public var text: String { Self.prefix + Base64.encode(bytes).prefix { $0 != "=" } }

    /// Nothing of the key.
    public var description: String { "an unlock key" }

    var symmetric: SymmetricKey { SymmetricKey(data: bytes) }
}
