import JSON
import Testing
import Values

@testable import Commands

@Suite struct ClusterViewTests {
    private static let record: JSONValue = [
        "Revision": 17, "Time": "2025-01-02T03:04:05.123456789Z", "Change": "updated", "Kind": "service", "ID": "s1",
        "Name": "web", "Note": "rollback to 9",
        "Author": ["Kind": "node", "NodeID": "n1", "Hostname": "h2", "Client": "local socket, user 0"],
    ]

    @Test func theLogAsATable() throws {
        var other = Self.record
        other["Revision"] = 5
        other["Author"] = ["Kind": "orchestrator"]
        other["Change"] = "created"
        other["Note"] = nil
        #expect(
            try ClusterLogCommand.listing([Self.record, other]).render(format: nil) == """
                REVISION   TIME                   AUTHOR         CHANGE    OBJECT        NOTE
                17         2025-01-02T03:04:05Z   h2             updated   service/web   rollback to 9
                5          2025-01-02T03:04:05Z   orchestrator   created   service/web   \n
                """)
        #expect(
            try ClusterLogCommand.listing([Self.record]).render(format: "{{.Client}} {{.ID}} {{.Kind}}")
                == "local socket, user 0 s1 service\n")
    }

    @Test func thePolicyInWords() {
        let nodes: [JSONValue] = [
            ["Description": ["Hostname": "h2"], "ManagerStatus": ["Reachability": "unreachable"]],
            ["Description": ["Hostname": "h1"], "ManagerStatus": ["Reachability": "reachable", "Leader": true]],
            ["Description": ["Hostname": "h3"], "ManagerStatus": ["Reachability": "reachable", "Spare": true]],
            ["Description": ["Hostname": "w1"], "ID": "w", "Status": ["State": "ready"]],
        ]
        let spec: JSONValue = ["Managers": ["Voters": 3, "DemoteAfter": 600_000_000_000, "Witness": "w"]]
        #expect(
            ClusterPolicyCommand.text(spec, nodes) == """
                Voting managers: 3
                Lose their vote: after 10m0s of silence
                Witness: w1

                HOSTNAME   VOTE      STATUS
                h1         yes       leader
                h2         yes       unreachable
                h3         spare     reachable
                w1         witness   ready

                """)
        #expect(
            ClusterPolicyCommand.text([:], []).hasPrefix("Voting managers: all\nLose their vote: never\n"))
    }

    @Test func thePolicyThatIsSent() throws {
        func sent(_ arguments: String...) throws -> JSONValue {
            let words = try CommandWords(["cluster", "policy"] + arguments).words
            var spec: JSONValue = ["Name": "default"]
            try #require(try MartletCommand.parseAsRoot(words) as? ClusterPolicyCommand).apply(to: &spec)
            return spec
        }
        #expect(
            try sent("--managers", "3", "--demote-after", "1m30s") == [
                "Name": "default", "Managers": ["Voters": 3, "DemoteAfter": 90_000_000_000],
            ])
        #expect(try sent("--managers", "0") == ["Name": "default", "Managers": ["Voters": 0]])
        #expect(try sent("--demote-after", "0") == ["Name": "default", "Managers": ["DemoteAfter": 0]])
        #expect(throws: FlagError.self) { try sent("--demote-after", "soon") }
    }

    @Test func aRevisionInWords() {
        var change = Self.record
        change["Specification"] = ["Name": "web"]
        change["Fields"] = [
            ["Path": "Labels.a", "New": "b"], ["Path": "Mode.Replicated.Replicas", "Old": 1, "New": 2],
        ]
        #expect(
            ClusterShowCommand.text(change) == """
                revision 17
                Author:  h2 (local socket, user 0)
                Time:    2025-01-02T03:04:05.123456789Z
                Note:    rollback to 9
                Change:  service/web updated (s1)
                    Labels.a: (none) -> "b"
                    Mode.Replicated.Replicas: 1 -> 2
                {
                    "Name": "web"
                }

                """)
    }

    @Test func aPlanInWords() {
        let plan: JSONValue = [
            "To": 9, "Basis": 17,
            "Steps": [
                ["Kind": "service", "Name": "new", "Change": "removed", "Fields": [], "Remark": ""],
                ["Kind": "network", "Name": "back", "Change": "created", "Fields": [], "Remark": "it was x"],
                [
                    "Kind": "service", "Name": "web", "Change": "updated", "Remark": "",
                    "Fields": [["Path": "Labels.a", "Old": "b"]],
                ],
            ],
            "Exceptions": [["Kind": "node", "Name": "h3", "Reason": "it has joined since and stays"]],
        ]
        #expect(
            ClusterRollbackCommand.text(plan) == """
                remove service/new
                create network/back (it was x)
                update service/web
                    Labels.a: "b" -> (none)
                leave node/h3: it has joined since and stays

                """)
        #expect(ClusterRollbackCommand.text(["Steps": [], "Exceptions": []]) == "Nothing is to be done.\n")
    }

    @Test func differencesInWords() {
        #expect(
            ClusterDiffCommand.text(["Kind": "service", "Name": "web", "ID": "s", "Change": "removed", "Fields": []])
                == "removed service/web (s)\n")
    }

    @Test func rowsAsATableAndAsJSON() {
        let answer: JSONValue = [
            "Columns": ["id", "n"], "Rows": [["a", 1], ["two\nlines", .null]], "Cut": false,
        ]
        #expect(SQLCommand.table(answer) == "ID          N\na           1\ntwo lines   \n")
        #expect(SQLCommand.lines(answer) == "{\"id\":\"a\",\"n\":1}\n{\"id\":\"two\\nlines\",\"n\":null}\n")
    }

    @Test func moments() throws {
        let now = Timestamp(secondsSinceEpoch: 1_000_000)
        #expect(try ClusterLogCommand.moment("10m", flag: "--since", now: now) == "1970-01-12T13:36:40Z")
        #expect(try ClusterLogCommand.moment("1700000000", flag: "--since", now: now) == "1700000000")
        #expect(try ClusterLogCommand.moment("2025-01-02T03:04:05Z", flag: "--since") == "2025-01-02T03:04:05Z")
        #expect(throws: FlagError.self) { try ClusterLogCommand.moment("yesterday", flag: "--since") }
    }
}
