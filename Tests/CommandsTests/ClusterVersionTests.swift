import JSON
import Testing

@testable import Commands

@Suite struct ClusterVersionTests {
    private func report(_ rest: [String: JSONValue]) -> JSONValue {
        .object(
            [
                "ClusterVersion": 1,
                "Managers": [
                    [
                        "NodeID": "a", "Hostname": "h1", "Answered": true, "Program": "0.2.0", "Lowest": 1,
                        "Highest": 2,
                    ],
                    [
                        "NodeID": "b", "Hostname": "h2", "Answered": true, "Program": "0.1.0", "Lowest": 1,
                        "Highest": 1,
                    ],
                    ["NodeID": "c", "Hostname": "", "Answered": false],
                ],
            ].merging(rest) { $1 })
    }

    private static let table = """
        The cluster has version 1.
        MANAGER   MARTLETD      SUPPORTS
        h1        0.2.0         1 to 2
        h2        0.1.0         1
        c         (no answer)   

        """

    @Test("Who supports what, and whom the rise waits for")
    func text() {
        #expect(ClusterVersionCommand.text(report([:])) == Self.table)
        #expect(
            ClusterVersionCommand.text(report(["Next": 2, "WaitsFor": ["b", "c"]]))
                == Self.table + "It rises to 2 when every manager supports that; it waits for h2, c.\n")
        #expect(ClusterVersionCommand.text(report(["Next": 2])) == Self.table + "It rises to 2 now.\n")
    }
}
