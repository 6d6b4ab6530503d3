/// Bytes of a netlink message on their way to the kernel: fixed headers and attributes (netlink(7)).
///
/// Numbers are in the machine's order unless a function says that they are in the network's.
public struct MessageWriter {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    /// The bytes that `body` writes.
    public static func build(_ body: (inout MessageWriter) -> Void) -> [UInt8] {
        var writer = MessageWriter()
        body(&writer)
        return writer.bytes
    }

    public mutating func u8(_ value: UInt8) { bytes.append(value) }
    public mutating func u16(_ value: UInt16) { withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) } }
    public mutating func u32(_ value: UInt32) { withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) } }
    public mutating func i32(_ value: Int32) { withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) } }
    public mutating func raw(_ value: some Collection<UInt8>) { bytes.append(contentsOf: value) }

    /// One attribute: length, type, payload, padding to four bytes.
    public mutating func attribute(_ type: UInt16, _ payload: some Collection<UInt8>) {
        u16(UInt16(4 + payload.count))
        u16(type)
        raw(payload)
        pad()
    }

    public mutating func attribute(_ type: UInt16, u8 value: UInt8) { attribute(type, [value]) }

    public mutating func attribute(_ type: UInt16, u16 value: UInt16) {
        attribute(type, withUnsafeBytes(of: value) { Array($0) })
    }

    public mutating func attribute(_ type: UInt16, u32 value: UInt32) {
        attribute(type, withUnsafeBytes(of: value) { Array($0) })
    }

    /// A number in the network's order.
    public mutating func attribute(_ type: UInt16, be16 value: UInt16) { attribute(type, u16: value.bigEndian) }
    public mutating func attribute(_ type: UInt16, be32 value: UInt32) { attribute(type, u32: value.bigEndian) }

    public mutating func attribute(_ type: UInt16, be64 value: UInt64) {
        attribute(type, withUnsafeBytes(of: value.bigEndian) { Array($0) })
    }

    /// Text with its closing zero.
    public mutating func attribute(_ type: UInt16, text: String) { attribute(type, Array(text.utf8) + [0]) }

    /// An attribute that holds attributes (NLA_F_NESTED), or a header and attributes.
    public mutating func nested(_ type: UInt16, _ body: (inout MessageWriter) -> Void) {
        let inner = MessageWriter.build(body)
        attribute(type | 0x8000, inner)
    }

    private mutating func pad() {
        while !bytes.count.isMultiple(of: 4) { bytes.append(0) }
    }
}
