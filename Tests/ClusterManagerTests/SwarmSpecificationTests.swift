import EngineModel
import JSON
import Testing

@testable import ClusterManager

/// What may be wanted of a cluster: Docker's clients send the whole specification back.
@Suite struct SwarmSpecificationTests {
    private let standard = SwarmSpecification.standard

    private func merged(_ text: String) throws -> JSONValue {
        try SwarmSpecification.merged(JSONValue(parsing: text), over: standard)
    }

    @Test func theWholeSpecificationComesBack() throws {
        #expect(try SwarmSpecification.merged(standard, over: standard) == standard)
        // `swarm init` of the docker CLI.
        let zeros = """
            {"Labels":null,"Orchestration":{},"Raft":{"ElectionTick":0,"HeartbeatTick":0,"SnapshotInterval":0,
            "KeepOldSnapshots":null},"Dispatcher":{"HeartbeatPeriod":0},"CAConfig":{"NodeCertExpiry":0,"ExternalCAs":[],
            "ForceRotate":0},"TaskDefaults":{"LogDriver":null},"EncryptionConfig":{"AutoLockManagers":false}}
            """
        #expect(try merged(zeros) == standard)
    }

    @Test func whatCanBeChosen() throws {
        let spec = try merged(
            #"{"Labels":{"a":"b"},"Orchestration":{"TaskHistoryRetentionLimit":0},"#
                + #""CAConfig":{"NodeCertExpiry":3600000000000}}"#)
        #expect(spec["Labels"] == ["a": "b"])
        #expect(spec["Orchestration"]?["TaskHistoryRetentionLimit"] == 0)
        #expect(spec["CAConfig"]?["NodeCertExpiry"] == 3_600_000_000_000)
        #expect(spec["Raft"] == standard["Raft"])
        let next = try SwarmSpecification.merged(["Labels": [:]], over: spec)
        #expect(next["Labels"] == [:])
        #expect(next["CAConfig"] == spec["CAConfig"])
        // The lock is taken away, too, and left alone by who does not speak of it.
        let locked = try merged(#"{"EncryptionConfig":{"AutoLockManagers":true}}"#)
        #expect(locked["EncryptionConfig"]?["AutoLockManagers"] == true)
        #expect(try SwarmSpecification.merged(["Labels": [:]], over: locked) == locked)
        let open = try SwarmSpecification.merged(["EncryptionConfig": ["AutoLockManagers": false]], over: locked)
        #expect(open == standard)
    }

    @Test("Docker's clients, which do not know the managers' policy, leave it alone; 0 ends it") func policy() throws {
        let set = try merged(#"{"Managers":{"Voters":3,"DemoteAfter":600000000000}}"#)
        #expect(set["Managers"] == ["Voters": 3, "DemoteAfter": 600_000_000_000])
        var docker = set
        docker["Managers"] = nil
        docker["Labels"] = ["a": "b"]
        #expect(try SwarmSpecification.merged(docker, over: set)["Managers"] == set["Managers"])
        let ended = try SwarmSpecification.merged(["Managers": ["Voters": 0]], over: set)
        #expect(ended["Managers"] == ["Voters": 0, "DemoteAfter": 600_000_000_000])
    }

    @Test(arguments: [
        (#"{"Managers":{"Voters":4}}"#, 400, "the number of voting managers is 3, 5 or 7, or 0 for all"),
        (#"{"Managers":{"DemoteAfter":1000000000}}"#, 400, "after 10s at the earliest"),
        (#"{"Managers":{"Voters":-3}}"#, 400, "invalid Managers.Voters"),
        (#"{"Managers":{"voters":3}}"#, 400, "invalid Managers.voters"),
        (#"{"CAConfig":{"NodeCertExpiry":3599999999999}}"#, 400, "minimum certificate expiry time is: 1h0m0s"),
        (#"{"CAConfig":{"ForceRotate":1}}"#, 501, "rotating the CA is not supported"),
        (#"{"CAConfig":{"ExternalCAs":[{"URL":"https://ca"}]}}"#, 501, "an external CA is not supported"),
        (
            #"{"Dispatcher":{"HeartbeatPeriod":7000000000}}"#, 501,
            "changing Dispatcher.HeartbeatPeriod is not supported"
        ),
        (#"{"Raft":{"SnapshotInterval":5000}}"#, 501, "changing Raft.SnapshotInterval is not supported"),
        (#"{"Raft":{"KeepOldSnapshots":1}}"#, 501, "leave it out, or send 0"),
        (#"{"Raft":{"LogEntriesForSlowFollowers":1}}"#, 501, "Raft.LogEntriesForSlowFollowers"),
        (#"{"Raft":7}"#, 501, "Raft."),
        (#"{"TaskDefaults":{"LogDriver":{"Name":"syslog"}}}"#, 501, "a default log driver"),
        (#"{"Orchestration":{"TaskHistoryRetentionLimit":-1}}"#, 400, "cannot be negative"), ("[]", 400, "invalid"),
    ])
    func refused(_ text: String, _ status: Int, _ message: String) throws {
        let error = #expect(throws: EngineError.self) { try merged(text) }
        #expect(error?.kind.status == status)
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }
}
