import Crypto
import CryptoExtras
import FoundationEssentials
import Glibc
import SQLite

/// Seals pages with AES-256-GCM under random nonces of 192 bits, each for its own place.
///
/// At the end of a page stand the key's identifier (8 bytes), the nonce (24) and the tag (16). The place is the
/// associated data. Blocks are one application of AES-256: it hides them as long as no two are the same.
public struct PageCipher: PageSealing {
    static let keyIDByteCount = 8
    static let tagByteCount = 16
    public static let trailerByteCount = keyIDByteCount + ExtendedNonceKey.nonceByteCount + tagByteCount

    private static let nonce = keyIDByteCount..<keyIDByteCount + ExtendedNonceKey.nonceByteCount
    private static let tag = nonce.upperBound..<trailerByteCount

    let newest: PageKeys
    let older: [PageKeys]

    public var hasOlderKeys: Bool { !older.isEmpty }

    public func seal(_ page: UnsafeMutableRawBufferPointer, at place: PagePlace) {
        let (body, trailer) = Self.parts(page)
        trailer.copyBytes(from: newest.id)
        let nonce = UnsafeMutableRawBufferPointer(rebasing: trailer[Self.nonce])
        // The kernel's generator, each time: what is known of an earlier nonce, or of this process, says nothing of it.
        guard getentropy(nonce.baseAddress, nonce.count) == 0 else { preconditionFailure("getentropy: \(errno)") }
        do {
            let box = try AES.GCM.seal(
                Data(body), using: newest.pages.messageKey(UnsafeRawBufferPointer(nonce)),
                nonce: AES.GCM.Nonce(data: UnsafeRawBufferPointer(rebasing: nonce[12...])),
                authenticating: Self.associatedData(place))
            box.ciphertext.withUnsafeBytes { body.copyMemory(from: $0) }
            box.tag.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: trailer[Self.tag]).copyMemory(from: $0) }
        } catch {
            // It fails for wrong lengths alone.
            preconditionFailure("AES-GCM: \(error)")
        }
    }

    public func open(_ page: UnsafeMutableRawBufferPointer, at place: PagePlace) -> Bool {
        let (body, trailer) = Self.parts(page)
        let nonce = UnsafeRawBufferPointer(rebasing: trailer[Self.nonce])
        guard let keys = keys(of: UnsafeRawBufferPointer(trailer)),
            let box = try? AES.GCM.SealedBox(
                nonce: AES.GCM.Nonce(data: UnsafeRawBufferPointer(rebasing: nonce[12...])),
                ciphertext: Data(body), tag: Data(trailer[Self.tag])),
            let opened = try? AES.GCM.open(
                box, using: keys.pages.messageKey(nonce), authenticating: Self.associatedData(place))
        else { return false }
        opened.withUnsafeBytes { body.copyMemory(from: $0) }
        trailer.initializeMemory(as: UInt8.self, repeating: 0)
        return true
    }

    public func sealBlock(_ block: UnsafeMutableRawBufferPointer) {
        var bytes = Array(block)
        // It fails for wrong lengths alone.
        do { try AES.permute(&bytes, key: newest.blocks) } catch { preconditionFailure("AES: \(error)") }
        block.copyBytes(from: bytes)
    }

    public func openBlock(_ block: UnsafeMutableRawBufferPointer, trailer: UnsafeRawBufferPointer) -> Bool {
        guard let keys = keys(of: trailer) else { return false }
        var bytes = Array(block)
        do { try AES.inversePermute(&bytes, key: keys.blocks) } catch { preconditionFailure("AES: \(error)") }
        block.copyBytes(from: bytes)
        return true
    }

    public func age(ofTrailer trailer: UnsafeRawBufferPointer) -> PageKeyAge {
        guard let keys = keys(of: trailer) else { return .unknown }
        return keys.id == newest.id ? .newest : .older
    }

    private func keys(of trailer: UnsafeRawBufferPointer) -> PageKeys? {
        func isOf(_ keys: PageKeys) -> Bool { keys.id.indices.allSatisfy { trailer[$0] == keys.id[$0] } }
        return isOf(newest) ? newest : older.last(where: isOf)
    }

    private static func parts(
        _ page: UnsafeMutableRawBufferPointer
    ) -> (body: UnsafeMutableRawBufferPointer, trailer: UnsafeMutableRawBufferPointer) {
        let end = page.count - trailerByteCount
        return (
            UnsafeMutableRawBufferPointer(rebasing: page[..<end]), UnsafeMutableRawBufferPointer(rebasing: page[end...])
        )
    }

    /// A letter for the kind of place, then its number with the lowest byte first.
    private static func associatedData(_ place: PagePlace) -> [UInt8] {
        let (kind, number): (UInt8, UInt64) =
            switch place {
            case .database(let page): (UInt8(ascii: "d"), page)
            case .log(let frame): (UInt8(ascii: "l"), frame)
            case .journal(let offset): (UInt8(ascii: "j"), offset)
            }
        return [kind] + (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
    }
}
