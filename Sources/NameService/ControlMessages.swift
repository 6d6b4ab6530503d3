import JSON
import NetworkModel

/// What a client asks of martlet-net: one JSON text a line.
struct ControlRequest: Codable, Hashable, Sendable {
    enum Kind: String, Codable, Sendable {
        /// Answer by this picture.
        case picture
        /// Answer by the picture that this change makes.
        case change
        /// A newer martlet-net asks for everything that this one holds: first the picture and the control socket.
        case takeover
        /// The next sandboxes with their sockets.
        case next
        /// The newer one has everything and will answer from now on.
        case taken
        /// End.
        case stop
    }

    var kind: Kind
    var picture: DNSPicture?
    var change: PictureChange?
}

/// What martlet-net answers: one JSON text a line.
struct ControlReply: Codable, Hashable, Sendable {
    enum Kind: String, Codable, Sendable {
        /// The first line of every connection.
        case hello
        /// This picture is answered by.
        case applied
        case refused
        /// For a take-over: what is handed over beside this line.
        case handed
        /// The next one may begin to answer, or: the end begins.
        case done
    }

    var kind: Kind
    var receipt: NameReceipt?
    var reason: String?
    /// Which program this is, so that a newer one on the disk is noticed.
    var program: String?
    var processID: Int32?
    var picture: DNSPicture?
    /// The sandboxes whose sockets are handed over, two each: UDP and TCP.
    var sandboxes: [HandedSandbox]?

    init(_ kind: Kind) { self.kind = kind }
}

/// One sandbox of a take-over.
struct HandedSandbox: Codable, Hashable, Sendable {
    var id: String
    /// The namespace's device and inode, so that another one at the same path is noticed.
    var namespace: String
}

/// Lines of JSON.
enum ControlLines {
    /// The longest line, in bytes.
    static let limit = 64 << 20

    static func encode(_ value: some Encodable) -> [UInt8] {
        do {
            return try JSONCoding.encode(value) + [0x0a]
        } catch {
            preconditionFailure("control messages can be encoded: \(error)")
        }
    }

    static func decode<Value: Decodable>(_ type: Value.Type, _ line: [UInt8]) throws(NameServiceError) -> Value {
        do {
            return try JSONCoding.verbatim.decode(type, from: line, limits: JSONLimits(bytes: limit))
        } catch {
            throw NameServiceError.connection("unreadable message: \(error)")
        }
    }
}
