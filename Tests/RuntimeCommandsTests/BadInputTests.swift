import JSON
import LinuxSystem
import TestSupport
import Testing

/// What a `config.json` must not be (config.md, config-linux.md): the error names the member, and nothing is left.
@Suite(.bundles) struct BadInputTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let path: String
        let change: @Sendable (inout JSONValue) -> Void
        var testDescription: String { path }
    }

    static let cases = [
        Case(path: "process.cwd") { $0["process"]?["cwd"] = 5 },
        Case(path: "linux.namespaces[0].type") { $0["linux"]?["namespaces"] = [["type": "nothing"]] },
        Case(path: "root.path") { $0["root"] = ["path": "../out"] },
        Case(path: "mounts[0].source") {
            $0["mounts"] = [
                ["destination": "/data", "type": "bind", "source": "/nothing/there", "options": ["bind"]]
            ]
        },
        Case(path: "linux.uidMappings") {
            $0["linux"]?["namespaces"] = [["type": "mount"], ["type": "user"]]
            $0["linux"]?["uidMappings"] = [["containerID": 0, "hostID": 0, "size": 0]]
            $0["linux"]?["gidMappings"] = [["containerID": 0, "hostID": 0, "size": 1]]
        },
    ]

    @Test(arguments: cases) func `the member's path, exit status 1, nothing left`(wrong: Case) async throws {
        try await withBundles("bad") { fixture in
            let bundle = try fixture.prepare("c", "true")
            try fixture.rewrite("c") { wrong.change(&$0) }
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(result.errors.contains(wrong.path), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }
}
