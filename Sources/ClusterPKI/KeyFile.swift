import Crypto
import FoundationEssentials
import JSON
import Values

/// A host's keys as they lie on its disk: in one file, so that another lock takes effect for all of them at once.
///
/// Locked, they are AES-256-GCM (RFC 5116 section 5.2) under the unlock key and a random nonce; the version is the
/// associated data.
public struct KeyFile: Hashable, Sendable, Codable {
    /// The name of the file in a host's cluster directory.
    public static let name = "keys.json"

    private static let currentFormat = 1
    private var format: Int
    private var version: UInt64
    /// Where they are not locked.
    private var keys: HostKeys?
    /// Nonce, ciphertext and tag as base64 text, where they are.
    private var box: String?

    /// The file of these keys under a lock.
    public init(_ keys: HostKeys, lock: KeyLock) throws(PKIError) {
        format = Self.currentFormat
        version = lock.version
        guard let key = lock.key else {
            self.keys = keys
            return
        }
        do {
            let sealed = try AES.GCM.seal(
                JSONCoding.encode(keys), using: key.symmetric, authenticating: Self.associatedData(version))
            // The nonce is the standard one, so that there is a combined form.
            box = Base64.encode(Array(sealed.combined!))
        } catch {
            throw .malformed("key file", "\(error)")
        }
    }

    /// Whether it says something, in words that this version knows.
    var isWhole: Bool { format == Self.currentFormat && (keys == nil) != (box == nil) }

    /// Whether an unlock key is needed.
    public var isLocked: Bool { keys == nil }

    /// The keys, and the lock under which they were written.
    ///
    /// - Throws: `locked` where a key is needed, `wrongUnlockKey` where it is another one or the file was changed.
    public func open(with key: UnlockKey? = nil) throws(PKIError) -> (HostKeys, KeyLock) {
        if let keys { return (keys, KeyLock(version: version)) }
        guard let key else { throw .locked }
        guard let bytes = Base64.decode(box ?? ""),
            let sealed = try? AES.GCM.SealedBox(combined: bytes),
            let opened = try? AES.GCM.open(
                sealed, using: key.symmetric, authenticating: Self.associatedData(version))
        else { throw .wrongUnlockKey }
        do {
            return (try JSONCoding.decode(HostKeys.self, from: Array(opened)), KeyLock(key: key, version: version))
        } catch {
            throw .malformed("key file", "what it holds are no keys")
        }
    }

    private static func associatedData(_ version: UInt64) -> [UInt8] { Array("martlet host keys 1 \(version)".utf8) }
}
