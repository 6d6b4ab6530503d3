/// Writes values least significant byte first (D-Bus specification: Marshaling).
struct DBusWriter {
    private(set) var bytes: [UInt8] = []
    /// Some text has a zero in it, which D-Bus has no way to say.
    private(set) var hasZero = false

    mutating func align(_ alignment: Int) {
        while bytes.count % alignment != 0 { bytes.append(0) }
    }

    mutating func number<Number: FixedWidthInteger>(_ number: Number) {
        align(MemoryLayout<Number>.size)
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Bytes as they are.
    mutating func raw(_ more: [UInt8]) { bytes += more }

    mutating func write(_ value: DBusValue) {
        switch value {
        case .byte(let number): bytes.append(number)
        case .bool(let flag): number(UInt32(flag ? 1 : 0))
        case .int16(let value): number(value)
        case .uint16(let value): number(value)
        case .int32(let value): number(value)
        case .uint32(let value), .descriptor(let value): number(value)
        case .int64(let value): number(value)
        case .uint64(let value): number(value)
        case .double(let value): number(value.bitPattern)
        case .string(let text), .objectPath(let text):
            number(UInt32(text.utf8.count))
            bytes += text.utf8
            bytes.append(0)
            if text.utf8.contains(0) { hasZero = true }
        case .signature(let text): signature(text)
        case .bytes(let content):
            number(UInt32(content.count))
            bytes += content
        case .array(let element, let elements): array(element, elements)
        case .structure(let members):
            align(8)
            for member in members { write(member) }
        case .entry(let key, let value):
            align(8)
            write(key)
            write(value)
        case .variant(let value):
            signature(value.type.signature)
            write(value)
        }
    }

    private mutating func signature(_ text: String) {
        precondition(text.utf8.count <= DBusType.signatureLimit, "a signature has at most 255 bytes")
        bytes.append(UInt8(text.utf8.count))
        bytes += text.utf8
        bytes.append(0)
    }

    /// The length counts from the first element on, without the padding before it.
    private mutating func array(_ element: DBusType, _ elements: [DBusValue]) {
        number(UInt32(0))
        let place = bytes.count - 4
        align(element.alignment)
        let start = bytes.count
        for value in elements {
            precondition(value.type == element, "an array's elements have one type")
            write(value)
        }
        let length = UInt32(bytes.count - start)
        withUnsafeBytes(of: length.littleEndian) { bytes.replaceSubrange(place..<(place + 4), with: $0) }
    }
}
