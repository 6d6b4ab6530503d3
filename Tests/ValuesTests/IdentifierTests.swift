import Testing
import Values

@Suite struct IdentifierTests {
    @Test("Every length, and every character at every place")
    func characters() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Set("0123456789abcdefghijklmnopqrstuvwxyz")
        for count in 0...40 {
            let text = Identifiers.base36(count: count, using: &generator)
            #expect(text.count == count && Set(text).isSubset(of: alphabet))
        }
        var seen = Array(repeating: Set<Character>(), count: 25)
        var all: Set<String> = []
        for _ in 0..<2000 {
            let text = Identifiers.swarm(using: &generator)
            all.insert(text)
            for (place, character) in text.enumerated() { seen[place].insert(character) }
        }
        #expect(seen.allSatisfy { $0 == alphabet } && all.count == 2000)
    }
}
