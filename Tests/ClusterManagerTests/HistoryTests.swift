import ClusterPKI
import ClusterRPC
import EngineModel
import Glibc
import JSON
import LinuxSystem
import SessionModel
import TestSupport
import Testing

@testable import ClusterManager

/// Two histories of one cluster with one CA, as after a restore beside managers that live.
@Suite(.serialized) struct HistoryTests {
    private func record(isManager: Bool, history: String?) -> NodeRecord {
        NodeRecord(
            nodeID: "a", clusterID: "c", history: history, isManager: isManager, raftMember: 0, isOpen: true,
            address: "10.0.0.5", port: 2377, managers: [])
    }

    @Test("A host with a log of its own follows its own history, a worker whoever leads where the managers were")
    func follows() {
        #expect(record(isManager: true, history: "old").follows("old"))
        #expect(!record(isManager: true, history: "old").follows("new"))
        #expect(record(isManager: true, history: nil).follows("new"), "an older version did not write it down")
        #expect(record(isManager: false, history: "old").follows("new"))
    }

    @Test("A manager is heard in its own history alone; a worker may come from another one") func admits() {
        for isManager in [true, false] {
            let host = record(isManager: isManager, history: "old")
            #expect(host.admits(.manager, of: "old"))
            #expect(!host.admits(.manager, of: "new"))
            #expect(host.admits(.manager, of: nil))
            #expect(host.admits(.worker, of: "new"))
            #expect(record(isManager: isManager, history: nil).admits(.manager, of: "new"))
        }
    }

    @Test("Where the managers are is believed of one's own history") func believes() {
        let managers = [PeerAddress(nodeID: "b", address: "10.0.0.6:2377", isManager: true)]
        for isManager in [true, false] {
            let host = record(isManager: isManager, history: "old")
            #expect(host.believes(ManagerAddresses(history: "old", managers: managers)))
            #expect(!host.believes(ManagerAddresses(history: "new", managers: managers)))
            #expect(!host.believes(ManagerAddresses(history: "old", managers: [])))
        }
    }

    @Test("A manager that is left stays one beside a restored cluster at its fellow's address; a worker goes over")
    func besideARestoredCluster() async throws {
        let (first, second) = (try await ControlHost("first"), try await ControlHost("second"))
        let worker = try await ControlHost("worker")
        try await first.initialise()
        try await second.join(first, asManager: true)
        try await worker.join(first, asManager: false)
        let own = try #require(first.record)
        let history = try #require(own.history)
        #expect(history == first.state?.cluster?.historyID)
        for host in [first, second, worker] {
            try await waitUntil("\(host.name) knows the others") {
                host.record?.managers.count == 2 && host.record?.history == history
                    && first.state?.nodes[host.record?.nodeID ?? ""]?.status.state == .ready
            }
        }
        let known = try #require(first.record?.managers)
        let workersManagers = try #require(worker.record?.managers)

        let folder = try TemporaryDirectory("backup")
        let file = try Descriptor.open(folder.path("backup"), O_RDWR | O_CREAT)
        try await second.control.prepareBackup().write(to: file.rawValue, passphrase: nil)
        lseek(file.rawValue, 0, SEEK_SET)
        await second.stop()
        let restored = try await ControlHost("restored", port: second.port)
        var request = RestoreRequest()
        request.advertiseAddr = second.address
        _ = try await restored.control.restore(from: file.rawValue, request)
        let state = try #require(restored.state)
        let renewed = try #require(restored.record?.history)
        #expect(renewed != history && renewed == state.cluster?.historyID)
        #expect(restored.record?.nodeID == second.record?.nodeID)

        // What its leader says of the managers is for its own hosts, and what it would give others, too.
        func isRefused(_ method: String, _ payload: [UInt8], from asker: ControlHost, by host: ControlHost) async throws
        {
            let (id, address) = (try #require(host.record?.nodeID), try #require(ClusterAddress(parsing: host.address)))
            let failure = await #expect(throws: RPCFailure.self) {
                try await asker.control.connector.call(method, payload, to: ClusterPeer(nodeID: id, address: address))
            }
            #expect(failure?.message.contains("another history") == true, "\(String(describing: failure))")
        }
        let addresses = try JSONCoding.encode(state.managerAddresses)
        for host in [first, worker] {
            try await isRefused(ClusterMethodNames.managers, addresses, from: restored, by: host)
        }
        #expect(first.record?.managers == known)
        #expect(worker.record?.managers == workersManagers)
        let certificate = try JSONCoding.encode(
            RenewRequest(request: CertificateRequest(nodeID: own.nodeID).requestPEM))
        try await isRefused(ClusterMethodNames.renew, certificate, from: first, by: restored)

        // It is at an address that the first one knows, and the only one that leads there.
        try await waitUntil("the first one has no leader") {
            first.control.shared.withLock(\.manager)?.raft.status.leader == nil
        }
        try await waitUntil("it serves nobody", within: .seconds(60)) {
            first.control.shared.withLock(\.manager)?.sessions.isOpen == false
        }
        await #expect(throws: (any Error).self) { try await first.control.withSession { _ in } }
        #expect(first.control.membership.controlAvailable)
        #expect(try await first.control.recoveryReport().lastIndex > 0)
        #expect(first.record?.raftMember == own.raftMember)
        #expect(restored.state?.nodes[own.nodeID]?.status.state == .down)

        // A worker finds it there.
        await first.stop()
        let id = try #require(worker.record?.nodeID)
        try await waitUntil("the worker has gone over", within: .seconds(20)) {
            worker.record?.history == renewed && restored.state?.nodes[id]?.status.state == .ready
        }
        for host in [worker, restored] { await host.stop() }
    }
}
