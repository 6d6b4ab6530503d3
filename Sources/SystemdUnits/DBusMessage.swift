/// A message of D-Bus: header and body (D-Bus specification: Message Protocol).
struct DBusMessage: Hashable, Sendable {
    enum Kind: UInt8, Sendable {
        case call = 1
        case reply = 2
        case error = 3
        case signal = 4
    }

    var kind: Kind
    /// 1: no reply is expected, 2: do not start the destination, 4: may ask the user.
    var flags: UInt8 = 0
    /// The sender's number for the message, never zero.
    var serial: UInt32 = 1
    var path: String?
    var interface: String?
    var member: String?
    var errorName: String?
    var replySerial: UInt32?
    var destination: String?
    var sender: String?
    var body: [DBusValue] = []

    /// The longest message that is sent or accepted, in bytes; the specification allows 128 MiB.
    static let sizeLimit = 1 << 20
    /// The bytes that tell a message's length.
    static let prefixSize = 16

    init(_ kind: Kind) { self.kind = kind }

    /// What is called or said, for errors: `org.freedesktop.systemd1.Manager.StopUnit`.
    var title: String { [interface, member].compactMap { $0 }.joined(separator: ".") }

    /// The bytes of the message.
    func encoded() throws(SystemdError) -> [UInt8] {
        let signature = body.map(\.type.signature).joined()
        guard signature.utf8.count <= DBusType.signatureLimit else {
            throw .malformed("\(title) has a signature of \(signature.utf8.count) bytes")
        }
        var content = DBusWriter()
        for value in body { content.write(value) }
        var fields: [DBusValue] = []
        func add(_ code: UInt8, _ value: DBusValue?) {
            if let value { fields.append(.structure([.byte(code), .variant(value)])) }
        }
        add(1, path.map(DBusValue.objectPath))
        add(2, interface.map(DBusValue.string))
        add(3, member.map(DBusValue.string))
        add(4, errorName.map(DBusValue.string))
        add(5, replySerial.map(DBusValue.uint32))
        add(6, destination.map(DBusValue.string))
        add(7, sender.map(DBusValue.string))
        add(8, body.isEmpty ? nil : .signature(signature))
        var writer = DBusWriter()
        writer.raw([UInt8(ascii: "l"), kind.rawValue, flags, 1])
        writer.number(UInt32(content.bytes.count))
        writer.number(serial)
        writer.write(.array(.structure([.basic(.byte), .variant]), fields))
        writer.align(8)
        writer.raw(content.bytes)
        guard !writer.hasZero, !content.hasZero else { throw .malformed("\(title) has text with a zero byte") }
        guard writer.bytes.count <= Self.sizeLimit else {
            throw .malformed("\(title) has \(writer.bytes.count) bytes, more than \(Self.sizeLimit)")
        }
        return writer.bytes
    }

    /// The length of the whole message whose first 16 bytes these are.
    static func length(ofMessageBeginning bytes: some Collection<UInt8>) throws(SystemdError) -> Int {
        let prefix = Array(bytes.prefix(prefixSize))
        guard prefix.count == prefixSize else { throw .malformed("\(prefix.count) bytes of a header") }
        let isBigEndian = try byteOrder(prefix[0])
        guard prefix[3] == 1 else { throw .malformed("version \(prefix[3]) of the protocol") }
        var lengths = DBusReader(prefix, in: 4..<prefixSize, isBigEndian: isBigEndian)
        let body = Int(try lengths.number(UInt32.self))
        _ = try lengths.number(UInt32.self)
        let fields = Int(try lengths.number(UInt32.self))
        let total = (prefixSize + fields + 7) & ~7 + body
        guard total <= sizeLimit else { throw .malformed("\(total) bytes, more than \(sizeLimit)") }
        return total
    }

    /// True for most significant byte first.
    private static func byteOrder(_ letter: UInt8) throws(SystemdError) -> Bool {
        switch letter {
        case UInt8(ascii: "l"): return false
        case UInt8(ascii: "B"): return true
        default: throw .malformed("byte order \(letter)")
        }
    }

    /// Reads one whole message.
    ///
    /// - Returns: nil for a message of a kind that the specification does not know, which is to be ignored.
    static func decode(_ bytes: [UInt8]) throws(SystemdError) -> DBusMessage? {
        guard try length(ofMessageBeginning: bytes) == bytes.count else { throw .malformed("\(bytes.count) bytes") }
        let isBigEndian = try byteOrder(bytes[0])
        guard bytes[1] != 0 else { throw .malformed("kind 0") }
        guard let kind = Kind(rawValue: bytes[1]) else { return nil }
        var message = DBusMessage(kind)
        message.flags = bytes[2]
        var header = DBusReader(bytes, in: 4..<bytes.count, isBigEndian: isBigEndian)
        let bodyLength = Int(try header.number(UInt32.self))
        message.serial = try header.number(UInt32.self)
        guard message.serial != 0 else { throw .malformed("serial 0") }
        let signature = try message.readFields(&header)
        try header.align(8)
        guard header.position + bodyLength == bytes.count else { throw .malformed("a header that ends elsewhere") }
        try message.checkFields()
        var reader = DBusReader(bytes, in: header.position..<bytes.count, isBigEndian: isBigEndian)
        message.body = try reader.values(try DBusType.parse(signature))
        guard reader.isAtEnd else { throw .malformed("more bytes than \"\(signature)\" has") }
        return message
    }

    /// - Returns: the body's signature.
    private mutating func readFields(_ header: inout DBusReader) throws(SystemdError) -> String {
        var signature = ""
        let fields = try header.value(.array(.structure([.basic(.byte), .variant])))
        guard case .array(_, let fields) = fields else { preconditionFailure("an array is read as one") }
        for field in fields {
            guard case .structure(let members) = field, members.count == 2, case .byte(let code) = members[0],
                case .variant(let value) = members[1]
            else { preconditionFailure("a field is read as one") }
            switch (code, value) {
            case (1, .objectPath(let text)): path = text
            case (2, .string(let text)): interface = text
            case (3, .string(let text)): member = text
            case (4, .string(let text)): errorName = text
            case (5, .uint32(let number)): replySerial = number
            case (6, .string(let text)): destination = text
            case (7, .string(let text)): sender = text
            case (8, .signature(let text)): signature = text
            case (0...8, _): throw .malformed("header field \(code) of type \"\(value.type.signature)\"")
            default: break
            }
        }
        return signature
    }

    /// Each kind has fields that it must have.
    private func checkFields() throws(SystemdError) {
        let isComplete =
            switch kind {
            case .call: path != nil && member != nil
            case .reply: replySerial != nil
            case .error: replySerial != nil && errorName != nil
            case .signal: path != nil && interface != nil && member != nil
            }
        guard isComplete else { throw .malformed("a message of kind \(kind) without a field that it must have") }
    }
}
