import Testing

@testable import RaftCore

@Suite struct WitnessTailTests {
    @Test("between half of what may be kept and all of it is kept") func bounds() {
        var tail = WitnessTail(after: 0)
        var base: UInt64 = 0
        for applied in UInt64(1)...1_000 {
            if let target = tail.move(applied: applied, limit: 100, isHeavy: false) {
                #expect(target >= base)
                base = target
            }
            #expect(applied - base <= 100)
            #expect(applied - base >= min(applied, 50))
        }
        #expect(base == 950)
    }

    @Test("many bytes move it as well, but only past what is there") func bytes() {
        var tail = WitnessTail(after: 10)
        let none = tail.move(applied: 10, limit: 100, isHeavy: true)
        let first = tail.move(applied: 13, limit: 100, isHeavy: true)
        let second = tail.move(applied: 14, limit: 100, isHeavy: true)
        #expect(none == nil && first == 10 && second == 13)
    }
}
