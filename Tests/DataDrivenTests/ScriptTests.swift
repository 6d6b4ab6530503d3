import Testing

@testable import DataDriven

@Suite struct ScriptTests {
    private static let text = """
        # Says what it is told.
        say hello world
        ----
        hello
        world

        say

        nothing
        ----

        say end
        ----
        end

        """

    private static func say(_ directive: String) -> String {
        directive.split(separator: " ").dropFirst().joined(separator: "\n")
    }

    @Test func whatIsExpectedIsFound() {
        let script = Script(Self.text)
        let (difference, text) = script.run(Self.say)
        #expect(difference == nil)
        #expect(text == Self.text)
    }

    @Test func theFirstDifferenceIsTold() {
        let script = Script("say a\n----\nb\n\nsay c\n----\nd\n")
        let (difference, text) = script.run(Self.say)
        #expect(difference == .init(line: 1, directive: "say a", expected: "b", found: "a"))
        #expect(text == "say a\n----\na\n\nsay c\n----\nc\n")
    }

    @Test func emptyLinesOfOutputDoNotEndIt() {
        let script = Script("say\n----\na\nb\n")
        #expect(script.run { _ in "a\n\nb\n" }.difference == nil)
    }
}
