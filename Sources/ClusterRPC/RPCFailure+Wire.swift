import GRPCCore
import JSON

/// A failure travels as JSON in a trailing metadata field, because gRPC's own status has too few classes and no
/// details.
extension RPCFailure {
    private static let metadataKey = "martlet-failure-bin"
    /// The most bytes of the JSON: base64 of it must fit HTTP/2's 16 KiB of headers.
    private static let wireLimit = 8192
    /// The most bytes of the message that are repeated in gRPC's status, for people with other tools.
    private static let statusMessageLimit = 256

    private struct Wire: Codable {
        var kind: String
        var message: String
        var details: [String: String]
    }

    /// What a handler's error is to the peer.
    init(handling error: any Error) {
        switch error {
        case let failure as RPCFailure: self = failure
        case let convertible as any RPCFailureConvertible: self = convertible.rpcFailure
        case is CancellationError: self.init(.cancelled, "the peer stopped the call")
        default: self.init(.internalError, "\(error)")
        }
    }

    /// What an error of a call is to the caller.
    init(receiving error: any Error) {
        switch error {
        case let failure as RPCFailure: self = failure
        case let error as RPCError: self.init(error)
        case is CancellationError: self.init(.cancelled, "the call was cancelled", source: .transport)
        default: self.init(.unavailable, "\(error)", source: .transport)
        }
    }

    private init(_ error: RPCError) {
        for bytes in error.metadata[binaryValues: Self.metadataKey] {
            guard let wire = try? JSONCoding.decode(Wire.self, from: bytes) else { continue }
            self.init(Kind(rawValue: wire.kind) ?? .internalError, wire.message, details: wire.details)
            return
        }
        var kind: Kind =
            switch error.code {
            case .cancelled: .cancelled
            case .deadlineExceeded: .timeout
            case .unauthenticated: .unauthorized
            case .permissionDenied: .forbidden
            case .resourceExhausted: .tooLarge
            case .unimplemented: .notImplemented
            default: .unavailable
            }
        var text = error.message
        var cause = error.cause
        while let next = cause {
            text += (text.isEmpty ? "" : ": ") + ((next as? RPCError)?.message ?? "\(next)")
            if next is CancellationError { kind = .cancelled }
            cause = (next as? RPCError)?.cause
        }
        self.init(kind, text, source: .transport)
    }

    /// The status and trailing metadata that carry this failure.
    var rpcError: RPCError {
        let code: RPCError.Code =
            switch kind {
            case .invalidParameter: .invalidArgument
            case .unauthorized: .unauthenticated
            case .forbidden: .permissionDenied
            case .notFound: .notFound
            case .conflict, .notModified: .failedPrecondition
            case .notImplemented: .unimplemented
            case .unavailable: .unavailable
            case .internalError: .internalError
            case .timeout: .deadlineExceeded
            case .cancelled: .cancelled
            case .tooLarge: .resourceExhausted
            }
        var metadata = Metadata()
        metadata.addBinary(wireBytes, forKey: Self.metadataKey)
        return RPCError(code: code, message: Self.cut(message, to: Self.statusMessageLimit), metadata: metadata)
    }

    private var wireBytes: [UInt8] {
        var wire = Wire(kind: kind.rawValue, message: Self.cut(message, to: Self.messageLimit), details: details)
        for limit in [Self.messageLimit, Self.messageLimit, 1024] {
            if let bytes = try? JSONCoding.encode(wire), bytes.count <= Self.wireLimit { return bytes }
            wire.message = Self.cut(message, to: limit)
            wire.details = [:]
        }
        wire.message = "a failure whose text cannot be sent"
        return (try? JSONCoding.encode(wire)) ?? []
    }

    private static func cut(_ text: String, to limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var result = ""
        var count = 0
        for character in text {
            count += character.utf8.count
            if count > limit - 3 { break }
            result.append(character)
        }
        return result + "..."
    }
}
