/// A number of bytes, written as Docker writes sizes.
public struct ByteCount: Hashable, Sendable, Comparable, CustomStringConvertible {
    public var bytes: Int64

    public init(_ bytes: Int64) { self.bytes = bytes }

    public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

    /// Powers of 1000 with up to three significant digits: `4.26MB`.
    public var description: String { text(base: 1000, units: ["B", "kB", "MB", "GB", "TB", "PB"], digits: 3) }

    /// Powers of 1024 with up to four significant digits: `1.944GiB`.
    public var binaryDescription: String {
        text(base: 1024, units: ["B", "KiB", "MiB", "GiB", "TiB", "PiB"], digits: 4)
    }

    private func text(base: Double, units: [String], digits: Int) -> String {
        var value = Double(bytes)
        var unit = 0
        while value >= base, unit + 1 < units.count {
            value /= base
            unit += 1
        }
        let whole = value >= 100 ? 3 : value >= 10 ? 2 : 1
        var scale = 1.0
        for _ in 0..<max(0, digits - whole) { scale *= 10 }
        let rounded = (value * scale).rounded() / scale
        let integral = Int64(rounded)
        guard rounded != Double(integral) else { return "\(integral)\(units[unit])" }
        var fraction = String(Int64(((rounded - Double(integral)) * scale).rounded()))
        fraction = String(repeating: "0", count: max(0, digits - whole - fraction.utf8.count)) + fraction
        while fraction.hasSuffix("0") { fraction.removeLast() }
        return "\(integral).\(fraction)\(units[unit])"
    }

    /// Parses `512m`, `1.5GiB`, `64kb`, `100`: powers of 1024, as Docker's memory flags do; nil for anything else.
    public init?(parsing text: some StringProtocol) {
        var number = text.lowercased()
        if number.hasSuffix("ib") { number.removeLast(2) } else if number.hasSuffix("b") { number.removeLast() }
        var factor = 1.0
        if let last = number.last, let index = ["k", "m", "g", "t", "p"].firstIndex(of: String(last)) {
            number.removeLast()
            for _ in 0...index { factor *= 1024 }
        }
        guard !number.isEmpty, let value = Double(number), value >= 0, value * factor < 9.2e18,
            number.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2e })
        else { return nil }
        bytes = Int64(value * factor)
    }
}
