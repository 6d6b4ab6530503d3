/// The attributes of a message of the kernel, by type; of several with one type the last (netlink(7)).
public struct Attributes {
    private var values: [UInt16: ArraySlice<UInt8>] = [:]

    /// - Throws: where an attribute claims more bytes than there are.
    public init(_ bytes: ArraySlice<UInt8>) throws(NetlinkError) {
        for (type, value) in try Self.list(bytes) { values[type] = value }
    }

    /// All attributes in order.
    public static func list(_ bytes: ArraySlice<UInt8>) throws(NetlinkError) -> [(UInt16, ArraySlice<UInt8>)] {
        var list: [(UInt16, ArraySlice<UInt8>)] = []
        var position = bytes.startIndex
        let end = bytes.endIndex
        while position + 4 <= end {
            let length = Int(bytes.number(at: position - bytes.startIndex, as: UInt16.self)!)
            let type = bytes.number(at: position - bytes.startIndex + 2, as: UInt16.self)! & 0x3fff
            guard length >= 4, length <= end - position else {
                throw .malformed("attribute \(type) of \(length) bytes")
            }
            list.append((type, bytes[(position + 4)..<(position + length)]))
            position += (length + 3) & ~3
        }
        guard position >= end else { throw .malformed("\(end - position) bytes after the last attribute") }
        return list
    }

    public subscript(_ type: UInt16) -> ArraySlice<UInt8>? { values[type] }

    public func u8(_ type: UInt16) -> UInt8? { values[type]?.first }
    public func u16(_ type: UInt16) -> UInt16? { values[type]?.number(at: 0, as: UInt16.self) }
    public func u32(_ type: UInt16) -> UInt32? { values[type]?.number(at: 0, as: UInt32.self) }
    public func be16(_ type: UInt16) -> UInt16? { u16(type).map(UInt16.init(bigEndian:)) }
    public func be32(_ type: UInt16) -> UInt32? { u32(type).map(UInt32.init(bigEndian:)) }

    public func be64(_ type: UInt16) -> UInt64? {
        values[type]?.number(at: 0, as: UInt64.self).map(UInt64.init(bigEndian:))
    }

    /// Text up to its closing zero.
    public func text(_ type: UInt16) -> String? {
        values[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    public func nested(_ type: UInt16) throws(NetlinkError) -> Attributes? {
        guard let value = values[type] else { return nil }
        return try Attributes(value)
    }
}

extension ArraySlice<UInt8> {
    /// The number that stands `offset` bytes after the beginning, in the machine's order; nil where it ends too early.
    func number<Number: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: Number.Type) -> Number? {
        let size = MemoryLayout<Number>.size
        guard offset >= 0, offset + size <= count else { return nil }
        return withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
    }
}
