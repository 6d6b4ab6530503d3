import Values

/// The chance of a run, from its seed alone.
struct Randomness {
    var generator: SplitMix64

    init(seed: UInt64) { generator = SplitMix64(seed: seed) }

    mutating func next() -> UInt64 { generator.next() }

    mutating func number(in range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    mutating func number(in range: Range<Int>) -> Int { Int.random(in: range, using: &generator) }
    mutating func chance(perMille: Int) -> Bool { Int.random(in: 0..<1_000, using: &generator) < perMille }
    mutating func element<T>(of elements: [T]) -> T? { elements.randomElement(using: &generator) }
}
