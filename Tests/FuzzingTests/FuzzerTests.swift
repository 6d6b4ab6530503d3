import Testing

@testable import Fuzzing

/// The fuzzer finds what it is there for: each decoder here does one thing wrong.
@Suite struct FuzzerTests {
    private enum Malformed: Error { case input }

    /// A length and as many bytes.
    private static func decode(_ input: [UInt8]) throws -> [UInt8] {
        guard let length = input.first, Int(length) == input.count - 1 else { throw Malformed.input }
        return Array(input.dropFirst())
    }

    private static func encode(_ value: [UInt8]) -> [UInt8] { [UInt8(value.count)] + value }

    private static let examples: [[UInt8]] = [[0], [3, 1, 2, 3], [8, 0x22, 0x61, 0x22, 0x31, 0x32, 0x22, 0x62, 0x22]]

    private func fuzzer() -> Fuzzer {
        var fuzzer = Fuzzer("a test")
        (fuzzer.seed, fuzzer.inputLimit, fuzzer.time) = (7, 3_000, .max)
        (fuzzer.trace, fuzzer.growth, fuzzer.isTold, fuzzer.isLeftOut) = (nil, nil, false, false)
        return fuzzer
    }

    @Test func aDecoderThatIsRightIsLeftAlone() {
        let report = fuzzer().run(Self.examples, decode: Self.decode, encode: Self.encode)
        #expect(report.finding == nil)
        #expect(report.inputs == 3_000)
        #expect((100..<2_900).contains(report.taken), "\(report)")
    }

    @Test func whatIsWrittenAsSomethingElseIsFound() {
        let report = fuzzer().run(Self.examples, decode: Self.decode) { Self.encode($0.map { $0 & 0x7f }) }
        #expect(report.finding?.contains("something else") == true)
        #expect(report.description == report.finding)
    }

    @Test func whatCannotBeReadAgainIsFound() {
        let report = fuzzer().run(Self.examples, decode: Self.decode) { $0.first ?? 0 > 0x80 ? [1] : Self.encode($0) }
        #expect(report.finding?.contains("refused") == true)
    }

    @Test func aWholeInputThatIsRefusedIsFound() {
        let report = fuzzer().run(Self.examples + [[9]], decode: Self.decode, encode: Self.encode)
        #expect(report.finding?.contains("whole input") == true)
        #expect(report.inputs == 0)
    }

    @Test func whatTakesLongIsFound() {
        var fuzzer = fuzzer()
        fuzzer.inputTime = 2_000_000
        let report = fuzzer.run(Self.examples) { input in
            if input.count > 9 { for _ in 0..<20 { _ = (0..<100_000).reversed().sorted() } }
            return .taken
        }
        #expect(report.finding?.contains("it took") == true)
    }

    @Test func inputsFollowFromTheSeed() {
        func inputs(_ seed: UInt64) -> [[UInt8]] {
            var mutator = InputMutator(seed: seed)
            return (0..<500).map { _ in mutator.mutate(Self.examples) }
        }
        #expect(inputs(1) == inputs(1))
        #expect(inputs(1) != inputs(2))
        #expect(Set(inputs(1)).count > 300)
        #expect(inputs(1).allSatisfy { $0.count <= InputMutator.byteLimit })
    }

    @Test func emptyInputsAreChangedToo() {
        var mutator = InputMutator(seed: 3)
        #expect((0..<200).contains { _ in mutator.mutate([[]]) != [] })
        #expect((0..<200).contains { _ in mutator.mutate([]) != [] })
    }
}
