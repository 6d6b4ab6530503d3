import Values

/// Makes broken inputs of whole ones: bits that flip, ends that are missing, lengths that are huge, two inputs in one.
/// What it makes follows from its seed.
public struct InputMutator: Sendable {
    private var random: SplitMix64

    public init(seed: UInt64) { random = SplitMix64(seed: seed) }

    /// The longest input that it makes, in bytes; what is longer is cut off.
    public static let byteLimit = 1 << 18
    /// Changes of one input at most.
    private static let changeLimit = 4

    /// Numbers that decoders stumble over, as text. JSON's parser sees them, and so does what reads digits by itself.
    private static let texts: [[UInt8]] = [
        "0", "-1", "1", "255", "256", "65536", "2147483648", "4294967295", "4294967296", "9223372036854775807",
        "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615",
        "18446744073709551616", "1e308", "1e400", "-0", "0.5", "00", "99999999999999999999999999999999", "null", "true",
        "{}", "[]", "\"\"", "[[[[[[[[", "{\"\":", "\\ud800", "\\u0000", "\u{FEFF}", "\u{E9}", "e\u{301}", "\u{1F469}",
    ].map { Array($0.utf8) }

    /// Numbers as bytes: little-endian base 128, and 8, 4, 2 and 1 bytes in both orders.
    private static let numbers: [[UInt8]] = [
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        [0xff, 0xff, 0xff, 0xff, 0x0f], [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
        [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        [0xff, 0xff, 0xff, 0xff], [0x7f, 0xff, 0xff, 0xff], [0x00, 0x00, 0xff, 0xff], [0xff, 0xff], [0, 0], [0xff],
        [0x80],
        [0x7f], [0],
    ]

    /// A broken one of these.
    public mutating func mutate(_ examples: [[UInt8]]) -> [UInt8] {
        var input = examples.randomElement(using: &random) ?? []
        for _ in 0..<number(in: 1...Self.changeLimit) { change(&input, examples) }
        return Array(input.prefix(Self.byteLimit))
    }

    private mutating func number(in range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    /// A range within the input, mostly short.
    private mutating func range(of input: [UInt8]) -> Range<Int> {
        let begin = number(in: 0...input.count)
        let longest = input.count - begin
        let length = number(in: 0...min(longest, [4, 16, longest][number(in: 0...2)]))
        return begin..<begin + length
    }

    private mutating func change(_ input: inout [UInt8], _ examples: [[UInt8]]) {
        let place = number(in: 0...max(0, input.count - 1))
        switch number(in: 0...10) {
        case 0 where !input.isEmpty: input[place] ^= 1 << UInt8(number(in: 0...7))
        case 1 where !input.isEmpty: input[place] = UInt8(number(in: 0...255))
        case 2: input.removeLast(input.count - number(in: 0...input.count))
        case 3: input.removeSubrange(range(of: input))
        case 4:
            let piece = Array(input[range(of: input)])
            for _ in 0..<number(in: 1...[2, 300][number(in: 0...1)]) where input.count < Self.byteLimit {
                input.insert(contentsOf: piece, at: place)
            }
        case 5:
            // The beginning of this one, the end of another.
            let other = examples.randomElement(using: &random) ?? []
            input = Array(input.prefix(place)) + other.suffix(number(in: 0...other.count))
        case 6:
            let other = examples.randomElement(using: &random) ?? []
            input.replaceSubrange(range(of: input), with: other[range(of: other)])
        case 7, 8: replaceDigits(&input)
        case 9: exchangeTexts(&input)
        default:
            let token = (number(in: 0...1) == 0 ? Self.numbers : Self.texts).randomElement(using: &random)!
            // In place of as many bytes, or in between.
            let end = number(in: 0...1) == 0 ? place : min(input.count, place + token.count)
            input.replaceSubrange(place..<end, with: token)
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// Puts another number where one is written in digits, or in place of one byte where none is.
    private mutating func replaceDigits(_ input: inout [UInt8]) {
        guard !input.isEmpty else { return }
        let from = number(in: 0...input.count - 1)
        let begin = input[from...].firstIndex(where: Self.isDigit) ?? input.firstIndex(where: Self.isDigit) ?? from
        let end = input[begin...].firstIndex { !Self.isDigit($0) } ?? input.count
        input.replaceSubrange(begin..<max(end, begin + 1), with: Self.texts.randomElement(using: &random)!)
    }

    /// Puts one quoted text where another is.
    private mutating func exchangeTexts(_ input: inout [UInt8]) {
        let quotes = input.indices.filter { input[$0] == 0x22 }
        guard quotes.count >= 4 else { return }
        let from = 2 * number(in: 0...quotes.count / 2 - 1)
        let to = 2 * number(in: 0...quotes.count / 2 - 1)
        input.replaceSubrange(quotes[to]...quotes[to + 1], with: input[quotes[from]...quotes[from + 1]])
    }
}
