import Crypto
import Values

/// The keys under which a host's databases lie on its disk. They never leave the host.
///
/// The newest seals, every one opens: another one is added, the databases are written anew under it, and then the
/// others are forgotten.
public struct DatabaseKeys: Hashable, Sendable, Codable, CustomStringConvertible {
    struct Key: Hashable, Codable {
        /// Eight random bytes, written on each page as they are, in hexadecimal digits.
        let id: String
        /// 32 bytes as base64 text. Never log it.
        let secret: String
    }

    /// The oldest first.
    private(set) var keys: [Key] = []

    /// No key yet.
    public init() {}

    /// How many there are.
    public var description: String { "\(keys.count) database keys" }

    public var isEmpty: Bool { keys.isEmpty }

    /// Whether there is one that does not seal any more.
    public var hasOlder: Bool { keys.count > 1 }

    /// Makes another key, the newest from now on.
    public mutating func add() {
        let id = SymmetricKey(size: .init(bitCount: PageCipher.keyIDByteCount * 8)).withUnsafeBytes { Array($0) }
        let secret = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
        keys.append(Key(id: Hex.encode(id), secret: Base64.encode(secret)))
    }

    /// Forgets all but the newest.
    public mutating func removeOlder() { keys = keys.suffix(1) }

    /// What the databases are that a cipher is for: no page of one kind opens as one of another.
    public enum Purpose: String, Sendable {
        /// Raft's log.
        case log
        /// The applied state, its snapshots and copies.
        case state
    }

    /// The cipher of one kind of databases; nil where there is no key.
    public func cipher(for purpose: Purpose) -> PageCipher? {
        let opening = keys.compactMap { PageKeys($0, purpose) }
        guard opening.count == keys.count, let newest = opening.last else { return nil }
        return PageCipher(newest: newest, older: Array(opening.dropLast()))
    }
}
