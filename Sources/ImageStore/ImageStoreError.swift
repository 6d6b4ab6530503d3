import LinuxSystem
import OCI

/// What the image store refuses or could not do; the texts are Docker's where it has one.
public struct ImageStoreError: Error, Hashable, CustomStringConvertible {
    public enum Kind: String, Sendable {
        case notFound
        case conflict
        case invalidParameter
        /// Content that does not have its digest, is cut short, or would lead out of the store.
        case corrupted
        case io
    }

    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { message }

    static func noSuchImage(_ name: String) -> ImageStoreError {
        ImageStoreError(.notFound, "No such image: \(name)")
    }
}
