import SessionModel
import Synchronization

/// Messages as they are written. Changes of what many hosts share are written once for all of them.
final class EncodedSections: Sendable {
    private struct Key: Hashable {
        let section: SectionName
        let from: SectionMark?
        let to: SectionMark

        init(_ change: SectionChange) { (section, from, to) = (change.section, change.from, change.to) }
    }

    private struct Known {
        var messages: [Key: [UInt8]] = [:]
        var byteCount = 0
    }

    /// All are forgotten when they are more, in bytes.
    private static let limit = 64 << 20

    private let known = Mutex(Known())

    func bytes(of message: ManagerMessage) throws -> [UInt8] {
        guard case .section(let change) = message, change.section != .host else { return try message.encoded() }
        let key = Key(change)
        if let bytes = known.withLock({ $0.messages[key] }) { return bytes }
        let bytes = try message.encoded()
        known.withLock { known in
            if known.byteCount + bytes.count > Self.limit { known = Known() }
            guard known.messages.updateValue(bytes, forKey: key) == nil else { return }
            known.byteCount += bytes.count
        }
        return bytes
    }
}
