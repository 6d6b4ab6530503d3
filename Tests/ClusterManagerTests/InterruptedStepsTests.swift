import ClusterModel
import ClusterStore
import EngineModel
import Glibc
import JSON
import LinuxSystem
import Logging
import RaftNode
import SessionModel
import TestSupport
import Testing
import Values

@testable import ClusterManager

/// Steps of a host on its way into a cluster, out of it and on alone, which were cut short or have failed midway.
@Suite(.serialized) struct InterruptedStepsTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func manager(_ host: ControlHost) throws -> Manager {
        let manager = host.control.shared.withLock(\.manager)
        return try #require(manager)
    }

    @Test("a recovery that was cut short is ended by the next start", arguments: [false, true])
    func recovery(isRefounded: Bool) async throws {
        let host = try await ControlHost("alone")
        try await host.initialise()
        let record = try #require(host.record)
        await host.stop()
        var renewed = record
        renewed.history = "anotherhistory"
        renewed.raftMember = record.raftMember &+ 1
        let directory = host.control.directory
        try renewed.save(directory: directory, named: NodeRecord.renewalName)
        if isRefounded {
            let disks = try ManagerDisks(host.control.databaseKeys())
            let store = try ClusterStore(directory: directory, on: disks.state, logger: logger)
            _ = try RaftNode.refound(directory: directory, as: renewed.ownMember, stateMachine: store, on: disks.log)
            store.close()
        }
        for _ in 0..<2 {
            let again = try await host.restarted()
            try await waitUntil("it leads") { again.isLeading }
            let expected = isRefounded ? renewed : record
            #expect(again.record?.history == expected.history)
            #expect(again.record?.raftMember == expected.raftMember)
            #expect(try manager(again).raft.status.member?.id == expected.raftMember)
            #expect(again.state?.cluster?.historyID == expected.history)
            #expect(!Files.exists(directory + "/" + NodeRecord.renewalName))
            await again.stop()
        }
    }

    @Test("a manager whose membership was not noted before its daemon ended notes it, and keeps its log")
    func membership() async throws {
        let (first, second) = (try await ControlHost("first"), try await ControlHost("second"))
        try await first.initialise()
        try await second.join(first, asManager: true)
        var record = try #require(second.record)
        let member = record.raftMember
        #expect(member != 0)
        await second.stop()
        record.raftMember = 0
        try record.save(directory: second.control.directory)
        let again = try await second.restarted()
        try await waitUntil("it knows", within: .seconds(60)) { again.record?.raftMember == member }
        #expect(try manager(again).raft.status.member?.id == member)
        #expect(first.state?.nodes[record.nodeID]?.raftMember == member)
        for host in [first, again] { await host.stop() }
    }

    @Test("an init that fails at its last step leaves the port free, and can be repeated")
    func initialisation() async throws {
        let host = try await ControlHost("alone")
        let file = host.control.directory + "/" + NodeRecord.fileName
        let record = try Files.read(file)
        try Files.removeTree(file)
        try Files.makeDirectories(file + "/in-the-way")
        await #expect(throws: EngineError.self) { try await host.initialise() }
        #expect(host.record?.isOpen == false)
        try Files.removeTree(file)
        try Files.write(file, record)
        try await host.initialise()
        #expect(host.record?.isOpen == true)
        await host.stop()
    }

    @Test("a host whose port is taken gets no place in a cluster, and joins when it is free")
    func joining() async throws {
        let (first, second) = (try await ControlHost("first"), try await ControlHost("second"))
        try await first.initialise()
        do {
            let listener = Descriptor(
                owning: try syscall("socket") { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) })
            var address = sockaddr_in()
            (address.sin_family, address.sin_port) = (sa_family_t(AF_INET), second.port.bigEndian)
            try syscall("bind") {
                withUnsafePointer(to: address) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        bind(listener.rawValue, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            }
            try syscall("listen") { listen(listener.rawValue, 1) }
            let error = await #expect(throws: EngineError.self) { try await second.join(first, asManager: false) }
            #expect(error?.message.contains("port \(second.port) cannot be listened on") == true)
            #expect(first.state?.nodes.count == 1)
            #expect(second.record?.isOpen == false)
        }
        try await second.join(first, asManager: false)
        #expect(first.state?.nodes.count == 2)
        for host in [first, second] { await host.stop() }
    }

    @Test("what a demotion has left behind goes later, and nothing of a manager's does") func demotion() async throws {
        let (first, worker) = (try await ControlHost("first"), try await ControlHost("worker"))
        try await first.initialise()
        try await worker.join(first, asManager: false)
        let directory = worker.control.directory
        for name in ["raft.sqlite", "raft.damaged", "state-7.sqlite"] { try Files.write(directory + "/" + name, "x") }
        try Files.makeDirectories(directory + "/snapshots")
        for host in [first, worker] { try host.control.removeRemains() }
        #expect(try Set(Files.list(directory)) == ["node.json", "keys.json", "ca.pem"])
        #expect(try Files.list(first.control.directory).contains("raft.sqlite"))
        for host in [first, worker] { await host.stop() }
    }

    @Test("a container's place in a network that is asked for twice is one place") func attachments() async throws {
        let host = try await ControlHost("alone")
        try await host.initialise()
        let subnet = CIDR("10.9.0.0/24")!
        let network = NetworkObject(
            id: "network", createdAt: .epoch, spec: .init(name: "net", isAttachable: true), subnet: subnet,
            gateway: subnet.host(1), vni: 5000)
        try await host.control.propose([.putNetwork(network, expected: 0)])
        let node = try #require(host.record?.nodeID)
        let manager = try manager(host)
        func attach(_ names: [String], _ address: IPAddress? = nil) async throws -> AttachmentObject {
            let question = AttachmentQuestion(
                nodeID: node, networkID: "network", containerID: "c", names: names, address: address)
            return try await JSONCoding.decode(
                AttachmentObject.self, from: host.control.attach(question, node: node, manager))
        }
        let first = try await attach(["web"])
        #expect(try await attach(["web"]).id == first.id)
        #expect(try await attach(["web"], first.address.address).id == first.id)
        let renamed = try await attach(["other"])
        #expect(renamed.names == ["other"])
        let moved = try await attach(["other"], subnet.host(77))
        #expect(moved.address.address == subnet.host(77))
        #expect(try await attach(["other"], subnet.host(77)).id == moved.id)
        #expect(manager.store.state.attachments.values.map(\.id) == [moved.id])
        await host.stop()
    }
}
