import Testing

@testable import Commands

@Suite struct LabCommandTests {
    @Test func templateTakesAHostsFields() throws {
        let fields = ["Name": "h1", "Address": "10.77.0.11"]
        #expect(try LabListCommand.fill("{{.Name}} {{ .Address }}", fields) == "h1 10.77.0.11")
        #expect(try LabListCommand.fill("a\\tb", fields) == "a\tb")
        #expect(throws: (any Error).self) { try LabListCommand.fill("{{.Size}}", fields) }
        #expect(throws: (any Error).self) { try LabListCommand.fill("{{.Name", fields) }
    }

    @Test("What follows the host belongs to the program, options too")
    func execTakesTheProgramAsItIs() throws {
        let parsed = try MartletCommand.parseAsRoot(
            ["lab", "exec", "--lab", "a", "h1", "--", "ls", "--lab", "-l", "--help"])
        let command = try #require(parsed as? LabExecCommand)
        #expect(command.choice.lab == "a")
        #expect(command.host == "h1")
        #expect(command.command.filter { $0 != "--" } == ["ls", "--lab", "-l", "--help"])
    }

    @Test func mendTakesTwoHostsOrNone() throws {
        _ = try MartletCommand.parseAsRoot(["lab", "mend"])
        _ = try MartletCommand.parseAsRoot(["lab", "mend", "h1", "h2"])
        #expect(throws: (any Error).self) { try MartletCommand.parseAsRoot(["lab", "mend", "h1"]) }
    }
}
