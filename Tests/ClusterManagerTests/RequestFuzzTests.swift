import ClusterModel
import ClusterPKI
import Fuzzing
import JSON
import SessionModel
import Testing
import Values

@testable import ClusterManager

/// What hosts ask managers for, and what a host keeps of the answers, broken.
@Suite struct RequestFuzzTests {
    private func check<Value: Codable & Equatable>(
        _ name: String, _ examples: Value..., coding: JSONCoding = .verbatim
    ) throws {
        let report = Fuzzer(name).run(
            try examples.map { try JSONCoding.encode($0) }, decode: { try coding.decode(Value.self, from: $0) },
            encode: { try JSONCoding.encode($0) })
        #expect(report.finding == nil)
    }

    private static let peers = [
        PeerAddress(nodeID: "a", address: "192.0.2.1:2377", isManager: true),
        PeerAddress(nodeID: "b", address: "[fd00::1]:2377", isManager: false),
    ]

    @Test func joining() throws {
        let description = NodeDescription(
            hostname: "h", platform: .init(architecture: "x86_64"),
            resources: .init(nanoCPUs: 4_000_000_000, memoryBytes: 1 << 33),
            engine: .init(engineVersion: "1"))
        try check(
            "join-requests",
            EnrolRequest(
                token: "SWMTKN-1-x-y", request: "-----BEGIN CERTIFICATE REQUEST-----\n", description: description,
                address: "", port: 2377, availability: .drain))
        try check(
            "join-answers",
            EnrolResponse(
                nodeID: "n", clusterID: "c", isManager: true, certificate: "pem", roots: "pem", address: "192.0.2.9",
                managers: Self.peers))
        try check("renewals", RenewRequest(request: "pem"))
        try check("raft-join-requests", JoinRaftRequest(member: .max, address: "192.0.2.9:2377", supported: .own))
        try check(
            "raft-join-answers",
            JoinRaftResponse(members: [.init(id: 7, nodeID: "n", address: "192.0.2.9:2377")], dataKeys: nil))
    }

    @Test func proposals() throws {
        let config = ConfigObject(id: "c", createdAt: .epoch, spec: PayloadSpec(name: "site"), data: "ZGF0YQ==")
        let request = ProposalRequest(
            id: "p", client: "tcp://192.0.2.1", note: "why",
            mutations: [
                .putConfig(config, expected: 0), .removeService("s", expected: 7), .removeSecret("x", expected: nil),
            ])
        try check("proposals", request, coding: ProposalRequest.coding)
        try check(
            "repeated-proposals", RepeatedRequest(request: request, since: .max), coding: RepeatedRequest.coding)
        try check(
            "proposal-answers", ProposalAnswer(index: 5, refusal: nil),
            ProposalAnswer(index: .max, refusal: .inUse(kind: .network, id: "n", by: "x")))
    }

    @Test func questions() throws {
        try check("address-announcements", AddressAnnouncement(address: "192.0.2.9:2377"))
        try check("managers-addresses", ManagerAddresses(history: "h", managers: Self.peers))
        try check("managers-versions", ManagerVersions(program: "1", supported: .own))
        try check(
            "attachment-questions",
            AttachmentQuestion(
                nodeID: "n", networkID: "net", containerID: "c", names: ["web", ""], address: IPAddress("10.0.0.9")),
            AttachmentQuestion(nodeID: "n", networkID: "net", containerID: "c", names: []))
        try check("log-questions", TaskLogQuestion(taskID: "t", after: .epoch, tail: .max))
        try check(
            "log-answers",
            TaskLogAnswer(
                lines: [.init(isError: true, time: .epoch, text: "\u{1F426} out\u{0}")], hasMore: true, isRunning: false
            ))
        try check("image-questions", ImageQuestion(reference: "192.0.2.1:5000/a/b:c"))
        let digest = Digest(parsing: "sha256:" + String(repeating: "0a", count: 32))
        try check("image-offers", ImageOffer(digest: digest, manifest: "manifest", references: ["a:b"]), ImageOffer())
    }

    /// What clients of the HTTP API write.
    @Test func bodies() {
        func check(_ name: String, _ examples: String..., body: ([UInt8]) throws -> Void) {
            let report = Fuzzer(name).run(examples.map { Array($0.utf8) }) { input in
                (try? body(input)) == nil ? .refused : .taken
            }
            #expect(report.finding == nil)
        }
        let docker = JSONCoding.docker
        check(
            "swarm-init-bodies",
            #"{"ListenAddr":"0.0.0.0:2377","AdvertiseAddr":"192.0.2.1","DefaultAddrPool":["10.0.0.0/8"],"#
                + #""SubnetSize":24,"DataPathPort":4789,"Availability":"active","ForceNewCluster":true,"#
                + #""Spec":{"Labels":{"a":"b"}}}"#
        ) { _ = try docker.decode(SwarmInitRequest.self, from: $0) }
        check(
            "swarm-join-bodies",
            #"{"ListenAddr":"","AdvertiseAddr":"eth0","RemoteAddrs":["192.0.2.1:2377"],"JoinToken":"SWMTKN-1-x-y"}"#
        ) { input in
            let request = try docker.decode(SwarmJoinRequest.self, from: input)
            _ = try? JoinToken(parsing: request.joinToken)
        }
        check(
            "swarm-specifications",
            #"{"Name":"default","Raft":{"SnapshotInterval":10000},"CAConfig":{"NodeCertExpiry":7776000000000000},"#
                + #""Managers":{"Voters":3,"DemoteAfter":600000000000,"Witness":"n"},"Dispatcher":null}"#
        ) { input in
            let wish = try JSONValue(parsing: input)
            let merged = try SwarmSpecification.merged(wish, over: SwarmSpecification.standard)
            // Whatever was taken is taken again, and a policy can be read of it.
            _ = try SwarmSpecification.merged(merged, over: merged)
            _ = ManagerPolicy(specification: merged).objection
        }
        check(
            "payload-bodies",
            #"{"Name":"site.conf","Labels":{"a":"b"},"Data":"ZGF0YQ==","Templating":{"Name":"golang"},"Driver":{}}"#
        ) { input in
            let request = try docker.decode(PayloadRequest.self, from: input)
            _ = (try request.spec(), try request.bytes(.config, limit: 1_000))
        }
    }

    @Test func nodeRecords() throws {
        try check(
            "node-records",
            NodeRecord(
                nodeID: "n", clusterID: "c", isManager: true, raftMember: 5, isOpen: true, address: "fd00::1",
                port: 2377, managers: Self.peers))
    }
}
