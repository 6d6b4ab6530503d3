/// A moment as nanoseconds since 1970-01-01T00:00:00Z, written as RFC 3339 with up to nine fractional digits.
public struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    /// Nanoseconds since the Unix epoch; leap seconds are not counted.
    public var nanosecondsSinceEpoch: Int64

    public init(nanosecondsSinceEpoch: Int64) { self.nanosecondsSinceEpoch = nanosecondsSinceEpoch }

    public init(secondsSinceEpoch: Int64, nanoseconds: Int64 = 0) {
        nanosecondsSinceEpoch = secondsSinceEpoch &* 1_000_000_000 &+ nanoseconds
    }

    /// The Unix epoch.
    public static let epoch = Timestamp(nanosecondsSinceEpoch: 0)
    /// What Docker shows for "never": the zero time of its implementation language.
    public static let zeroText = "0001-01-01T00:00:00Z"

    public var secondsSinceEpoch: Int64 {
        let (quotient, remainder) = nanosecondsSinceEpoch.quotientAndRemainder(dividingBy: 1_000_000_000)
        return remainder < 0 ? quotient - 1 : quotient
    }

    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.nanosecondsSinceEpoch < right.nanosecondsSinceEpoch
    }

    /// The moment `nanoseconds` later.
    public func advanced(byNanoseconds nanoseconds: Int64) -> Timestamp {
        Timestamp(nanosecondsSinceEpoch: nanosecondsSinceEpoch &+ nanoseconds)
    }

    /// Nanoseconds from `other` to this moment.
    public func nanoseconds(since other: Timestamp) -> Int64 {
        nanosecondsSinceEpoch &- other.nanosecondsSinceEpoch
    }

    /// RFC 3339 in UTC; fractional digits without trailing zeros, none where they are all zero.
    public var description: String {
        let seconds = secondsSinceEpoch
        let nanoseconds = nanosecondsSinceEpoch &- seconds &* 1_000_000_000
        var days = seconds / 86_400
        var secondOfDay = seconds % 86_400
        if secondOfDay < 0 {
            secondOfDay += 86_400
            days -= 1
        }
        let (year, month, day) = Self.civil(fromDays: days)
        var text: [UInt8] = []
        text.reserveCapacity(30)
        func append(_ value: Int64, _ digits: Int, end: Unicode.Scalar) {
            Self.append(value, digits: digits, to: &text)
            text.append(UInt8(ascii: end))
        }
        append(year, 4, end: "-")
        append(month, 2, end: "-")
        append(day, 2, end: "T")
        append(secondOfDay / 3600, 2, end: ":")
        append(secondOfDay / 60 % 60, 2, end: ":")
        append(secondOfDay % 60, 2, end: nanoseconds == 0 ? "Z" : ".")
        if nanoseconds != 0 {
            Self.append(nanoseconds, digits: 9, to: &text)
            while text.last == 0x30 { text.removeLast() }
            text.append(0x5a)
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static let years: ClosedRange<Int64> = 1678...2261

    /// Parses RFC 3339 (section 5.6) with any offset; nil for anything else or outside the years 1678 to 2261, in UTC.
    public init?(rfc3339 text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes[4] == 0x2d, bytes[7] == 0x2d, bytes[10] | 0x20 == 0x74, bytes[13] == 0x3a,
            bytes[16] == 0x3a, let year = Self.number(bytes[0..<4]), let month = Self.number(bytes[5..<7]),
            let day = Self.number(bytes[8..<10]), let hour = Self.number(bytes[11..<13]),
            let minute = Self.number(bytes[14..<16]), let second = Self.number(bytes[17..<19]),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60,
            Self.years.contains(year)
        else { return nil }
        var index = 19
        var nanoseconds: Int64 = 0
        if bytes[index] == 0x2e {
            index += 1
            var scale: Int64 = 100_000_000
            let first = index
            while index < bytes.count, (0x30...0x39).contains(bytes[index]) {
                nanoseconds += Int64(bytes[index] - 0x30) * scale
                scale /= 10
                index += 1
            }
            guard index > first else { return nil }
        }
        guard index < bytes.count else { return nil }
        var offset: Int64 = 0
        if bytes[index] | 0x20 == 0x7a {
            guard index + 1 == bytes.count else { return nil }
        } else {
            guard bytes[index] == 0x2b || bytes[index] == 0x2d, index + 6 == bytes.count, bytes[index + 3] == 0x3a,
                let hours = Self.number(bytes[index + 1..<index + 3]),
                let minutes = Self.number(bytes[index + 4..<index + 6])
            else { return nil }
            offset = (hours * 3600 + minutes * 60) * (bytes[index] == 0x2b ? 1 : -1)
        }
        let seconds =
            Self.days(fromCivil: year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
        self.init(secondsSinceEpoch: seconds, nanoseconds: nanoseconds)
        // It is to be read again as it is written.
        guard Self.years.contains(Self.civil(fromDays: (seconds - (seconds < 0 ? 86_399 : 0)) / 86_400).year) else {
            return nil
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        if text == Self.zeroText {
            self = .epoch
            return
        }
        guard let moment = Timestamp(rfc3339: text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "invalid time \"\(text)\"")
        }
        self = moment
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        var value: Int64 = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            value = value * 10 + Int64(digit - 0x30)
        }
        return value
    }

    /// Appends exactly so many decimal digits of a number that has no more of them.
    private static func append(_ value: Int64, digits: Int, to text: inout [UInt8]) {
        var power: Int64 = 1
        for _ in 1..<digits { power *= 10 }
        while power > 0 {
            text.append(0x30 + UInt8(value / power % 10))
            power /= 10
        }
    }

    /// Days since the epoch of a date of the proleptic Gregorian calendar, counted in eras of 400 years from 1 March.
    private static func days(fromCivil year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth + (shiftedMonth < 10 ? 3 : -9)
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
