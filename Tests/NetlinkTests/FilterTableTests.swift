import Testing
import Values

@testable import Netlink

/// The steps from one table to another.
@Suite struct FilterTableTests {
    static func table(_ backends: [UInt8], chain: String = "n2") -> FilterTable {
        let rule = FilterRule("accept", [.verdict(.accept)])
        return FilterTable(
            family: .v4, name: "t",
            sets: [
                "backends": FilterSet(
                    keyType: 19, keyLength: 4, content: .values(type: 7, length: 4),
                    elements: Dictionary(
                        uniqueKeysWithValues: backends.enumerated().map { index, last in
                            ([UInt8(index), 0, 0, 0], FilterSet.Element(.bytes([10, 0, 1, last])))
                        }))
            ],
            chains: [
                "out": FilterChain(
                    hook: .init(type: "nat", number: FilterChain.Hook.output, priority: -100), rules: [rule]),
                chain: FilterChain(rules: [rule]),
            ])
    }

    @Test func aChangeIsElementsAlone() {
        #expect(Self.table([3, 4]).changes(from: Self.table([3, 4])).isEmpty)
        #expect(
            Self.table([3, 5]).changes(from: Self.table([3, 4])) == [
                .removeElement(set: "backends", key: [1, 0, 0, 0]),
                .addElement(set: "backends", key: [1, 0, 0, 0], .init(.bytes([10, 0, 1, 5]))),
            ])
        #expect(
            Self.table([3], chain: "n1").changes(from: Self.table([3, 4])) == [
                .addChain("n1"), .removeElement(set: "backends", key: [1, 0, 0, 0]), .replaceRules("n1"),
                .removeChain("n2"),
            ])
    }

    @Test func aNewTableBringsSetsBeforeChainsBeforeRules() {
        let changes = Self.table([3]).changes(from: nil)
        #expect(
            changes == [
                .addTable, .addSet("backends"), .addChain("n2"), .addChain("out"),
                .addElement(set: "backends", key: [0, 0, 0, 0], .init(.bytes([10, 0, 1, 3]))),
                .replaceRules("n2"), .replaceRules("out"),
            ])
    }

    @Test func anotherMakeIsReplacedWhole() {
        var old = Self.table([3])
        old.sets["backends"]!.keyLength = 8
        #expect(Self.table([3]).changes(from: old).first == .removeTable)
        old = Self.table([3])
        old.chains["out"]!.hook!.priority = 0
        #expect(Self.table([3]).changes(from: old).prefix(2) == [.removeTable, .addTable])
    }

    @Test func rulesAreKnownByTextAndSteps() {
        let rule = FilterRule("accept", [.verdict(.accept)])
        #expect(rule.tag != FilterRule("accept", [.verdict(.drop)]).tag)
        #expect(rule.tag != FilterRule("other", [.verdict(.accept)]).tag)
        #expect(rule.tag.hasSuffix(".1"))
    }

    @Test func manyElementsAreSeveralMessages() {
        var table = Self.table([])
        for index in 0..<1000 {
            table.sets["backends"]!.elements[[UInt8(index & 255), UInt8(index >> 8), 0, 0]] = .init(
                .bytes([1, 2, 3, 4]))
        }
        let messages = table.messages(for: table.changes(from: Self.table([])))
        #expect(messages.count == 4)
        #expect(messages.allSatisfy { $0.body.count < 65_535 })
    }

    /// The kernel resized the set between two messages.
    @Test func aListingWithAnElementTwiceIsNotWhole() throws {
        func answer(_ keys: [UInt8]) throws -> Attributes {
            let bytes = MessageWriter.build { writer in
                writer.nested(3) { list in
                    for key in keys {
                        list.nested(1) { element in element.nested(1) { $0.attribute(1, [key, 0, 0, 0]) } }
                    }
                }
            }
            return try Attributes(bytes[...])
        }
        #expect(try FilterSet.Element.whole([answer([1, 2]), answer([2, 4])]) == nil)
        #expect(try FilterSet.Element.whole([answer([1, 2, 1])]) == nil)
        let elements = try #require(try FilterSet.Element.whole([answer([3, 1]), answer([4, 2])]))
        #expect(Set(elements.keys) == Set((1...4).map { [$0, 0, 0, 0] }))
    }
}
