import ClusterModel
import Crypto
import FoundationEssentials
import JSON
import Values

/// The keys under which the cluster's secrets are sealed, as every manager holds them.
///
/// There may be several: one of them seals, and each opens what it has sealed. So a key can be replaced while values of
/// the one before are still about: add it on every manager, seal anew what names an older one, then drop that.
///
/// A value is AES-256-GCM (RFC 5116 section 5.2) under a nonce of 96 random bits; the associated data is its place.
public struct DataKeys: Hashable, Sendable, Codable, CustomStringConvertible {
    private struct Key: Hashable, Codable {
        let id: String
        /// 32 bytes as base64 text. Never log it.
        let secret: String
    }

    private static let keyByteCount = 32

    /// The oldest first.
    private var keys: [Key] = []

    /// No key yet.
    public init() {}

    /// Names them without what they are.
    public var description: String { "data keys \(ids)" }

    /// The keys' identifiers, the oldest first.
    public var ids: [String] { keys.map(\.id) }

    /// Makes another key, the newest from now on; returns its identifier.
    @discardableResult
    public mutating func add(using generator: inout some RandomNumberGenerator) -> String {
        let bytes = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
        let id = Identifiers.swarm(using: &generator)
        keys.append(Key(id: id, secret: Base64.encode(bytes)))
        return id
    }

    /// Forgets one key.
    public mutating func remove(_ id: String) { keys.removeAll { $0.id == id } }

    /// Forgets the keys that are older than the one of this identifier; nothing where it is not among them.
    public mutating func removeKeys(olderThan id: String) {
        if let index = keys.firstIndex(where: { $0.id == id }) { keys.removeFirst(index) }
    }

    /// Takes over the keys of another manager; those that only this one knows become the older ones.
    public mutating func merge(_ others: DataKeys) {
        let known = Set(others.ids)
        keys = keys.filter { !known.contains($0.id) } + others.keys
    }

    // MARK: Sealing

    /// Seals bytes for the place where they belong.
    ///
    /// - Parameter id: the key; the newest where it is nil.
    public func seal(
        _ bytes: [UInt8], for place: SealedValue.Place, under id: String? = nil
    ) throws(PKIError) -> SealedValue {
        guard let key = id == nil ? keys.last : keys.last(where: { $0.id == id }) else { throw .noDataKey(id) }
        do {
            let box = try AES.GCM.seal(bytes, using: Self.symmetric(key), authenticating: Self.associatedData(place))
            // The nonce is the standard one, so that there is a combined form.
            return SealedValue(keyID: key.id, box: Base64.encode(Array(box.combined!)))
        } catch let error as PKIError {
            throw error
        } catch {
            throw .malformed("data key", "\(error)")
        }
    }

    /// The bytes of a value that was sealed for this very place, or never.
    public func open(_ value: SealedValue, for place: SealedValue.Place) throws(PKIError) -> [UInt8] {
        if value.keyID.isEmpty { return Base64.decode(value.box) ?? [] }
        guard let key = keys.last(where: { $0.id == value.keyID }) else { throw .noDataKey(value.keyID) }
        do {
            guard let bytes = Base64.decode(value.box) else { throw PKIError.sealBroken }
            let box = try AES.GCM.SealedBox(combined: bytes)
            return Array(
                try AES.GCM.open(box, using: Self.symmetric(key), authenticating: Self.associatedData(place)))
        } catch let error as PKIError {
            throw error
        } catch {
            throw .sealBroken
        }
    }

    private static func symmetric(_ key: Key) throws(PKIError) -> SymmetricKey {
        guard let bytes = Base64.decode(key.secret), bytes.count == keyByteCount else {
            throw .malformed("data key", "key \(key.id) is not \(keyByteCount) bytes of base64")
        }
        return SymmetricKey(data: bytes)
    }

    /// Every part ends with a zero byte, which none of them holds, so that no two places have the same.
    private static func associatedData(_ place: SealedValue.Place) -> [UInt8] {
        ["martlet sealed value 1", place.kind.rawValue, place.id, place.field].flatMap { Array($0.utf8) + [0] }
    }
}
