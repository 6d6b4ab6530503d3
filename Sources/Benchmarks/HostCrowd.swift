import ClusterModel
import ClusterPKI
import ClusterRPC
import JSON
import LinuxSystem
import Logging
import NetworkModel
import SessionModel
import Synchronization
import Values

/// Many hosts of a real cluster that are nothing but their sessions, each over a connection of its own: what is left of
/// an agent where no task runs and no data plane is.
public final class HostCrowd: Sendable {
    /// One of them.
    private struct Host: Sendable {
        let id: String
        let description: NodeDescription
        let credentials: ClusterCredentials
    }

    private struct Tally {
        /// Hosts that have got a picture in the session that they have now.
        var served: Set<Int> = []
        /// By host: which networks its newest picture has.
        var attachable: [Int: SectionMark] = [:]
        var byteCount = 0
        /// When the newest picture came, in nanoseconds since the boot.
        var lastPicture: Int64 = 0
    }

    private let manager: ClusterAddress
    private let count: Int
    private let logger: Logger
    private let tally = Mutex(Tally())

    private static let joinsAtOnce = 32
    private static let reconnectPause: Duration = .milliseconds(500)
    private static let reportPause: Duration = .milliseconds(200)

    /// So many hosts of a manager's cluster.
    ///
    /// - Parameter manager: its address and port; nil where it is none.
    public init?(manager: String, count: Int, logger: Logger) {
        guard let address = ClusterAddress(parsing: manager) else { return nil }
        self.manager = address
        self.count = count
        self.logger = logger
    }

    /// Joins all of them and keeps their sessions until the task is cancelled.
    ///
    /// - Parameters:
    ///   - token: a worker's.
    ///   - report: is given what there is, now and then.
    public func run(token: String, report: @Sendable (JSONValue) -> Void) async throws {
        let (hosts, managerID) = try await join(token)
        report(["event": "joined", "at": .number(seconds(Clock.sinceBoot()))])
        let peer = ClusterPeer(nodeID: managerID, address: manager)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, host) in hosts.enumerated() {
                group.addTask { await self.keepSession(of: host, number, with: peer) }
            }
            while true {
                try await Task.sleep(for: Self.reportPause)
                report(status)
            }
        }
    }

    private func seconds(_ nanoseconds: Int64) -> Double { Double(nanoseconds) * 1e-9 }

    private var status: JSONValue {
        tally.withLock { tally in
            let marks = Dictionary(grouping: tally.attachable.values) { $0 }
            return [
                "event": "status", "at": .number(seconds(Clock.sinceBoot())),
                "served": .integer(Int64(tally.served.count)), "bytes": .integer(Int64(tally.byteCount)),
                "lastPicture": .number(seconds(tally.lastPicture)),
                "networks": .object(
                    Dictionary(uniqueKeysWithValues: marks.map { ($0.text, .integer(Int64($1.count))) })),
            ]
        }
    }

    // MARK: Joining

    /// As `ClusterManager` reads it.
    private struct Request: Encodable {
        var token: String
        var request: String
        var description: NodeDescription
        var address: String
        var port = ClusterAddress.defaultPort
        var availability = NodeSpec.Availability.drain
    }

    private struct Joined: Decodable {
        var nodeID: String
        var certificate: String
        var managers: [PeerAddress]
    }

    private func join(_ token: String) async throws -> ([Host], managerID: String) {
        let digest = try JoinToken(parsing: token).digest
        var hosts: [Host] = []
        var managerID = ""
        try await withThrowingTaskGroup(of: (Host, String).self) { group in
            var next = 0
            func begin() {
                guard next < count else { return }
                let number = next
                next += 1
                group.addTask { try await self.join(number, token, digest) }
            }
            for _ in 0..<Self.joinsAtOnce { begin() }
            for try await (host, manager) in group {
                hosts.append(host)
                managerID = manager
                begin()
            }
        }
        return (hosts, managerID)
    }

    private func join(_ number: Int, _ token: String, _ digest: CADigest) async throws -> (Host, String) {
        let description = NodeDescription(
            hostname: "crowd\(number)", platform: .init(architecture: "x86_64"),
            resources: .init(nanoCPUs: 4_000_000_000, memoryBytes: 8 << 30), engine: .init(engineVersion: "1"))
        let key = try CertificateRequest()
        // RFC 2544, section C.2.2: for measurements of networks.
        let request = Request(
            token: token, request: key.requestPEM, description: description,
            address: "198.\(18 + number / 62_500).\(number / 250 % 250).\(number % 250 + 1)")
        let (bytes, roots) = try await ClusterConnector.enrol(
            at: manager, expecting: digest, JSONCoding.encode(request), timeout: .seconds(60))
        let joined = try JSONCoding.decode(Joined.self, from: bytes)
        let identity = try NodeIdentity(keyPEM: key.keyPEM, certificatePEM: joined.certificate)
        let host = Host(
            id: joined.nodeID, description: description,
            credentials: ClusterCredentials(identity: identity, roots: roots))
        return (host, joined.managers.first?.nodeID ?? "")
    }

    // MARK: Sessions

    private func keepSession(of host: Host, _ number: Int, with peer: ClusterPeer) async {
        let connector = ClusterConnector(credentials: { host.credentials }, logger: logger)
        let sections = Sections()
        while !Task.isCancelled {
            do {
                try await connector.withSession(to: peer, timeout: .seconds(30)) { inbound, outbound in
                    try await self.serve(host, number, sections, inbound, outbound)
                }
            } catch {
                logger.debug("no session", metadata: ["host": "\(number)", "reason": "\(error)"])
            }
            tally.withLock { _ = $0.served.remove(number) }
            try? await Task.sleep(for: Self.reconnectPause)
        }
        await connector.shutdown()
    }

    /// The sections that one host holds, of which it keeps the marks alone: so many hosts in one process would do
    /// nothing but read.
    private final class Sections: Sendable {
        private let marks = Mutex<[SectionName: SectionMark]>([:])
        private static let turn = Array("{\"turn\"".utf8)

        var known: [SectionName: SectionMark] { marks.withLock { $0 } }

        /// What a message turns to; nil for others.
        func read(_ bytes: [UInt8]) throws -> PictureIndex? {
            guard bytes.starts(with: Self.turn), case .turn(let index) = try ManagerMessage(decoding: bytes) else {
                return nil
            }
            marks.withLock { $0 = index.sections }
            return index
        }
    }

    private func serve(
        _ host: Host, _ number: Int, _ sections: Sections, _ inbound: MessageStream, _ outbound: MessageWriter
    ) async throws {
        let hello = AgentHello(description: host.description, bootID: host.id, sections: sections.known)
        try await outbound.write(AgentMessage.hello(hello).encoded())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    try await Task.sleep(for: .nanoseconds(SessionTiming.heartbeatNanoseconds))
                    try await outbound.write(AgentMessage.heartbeat.encoded())
                }
            }
            group.addTask {
                for try await bytes in inbound {
                    let index = try sections.read(bytes)
                    self.note(bytes.count, index, of: number)
                    guard let index else { continue }
                    try await outbound.write(
                        AgentMessage.receipt(HostReceipt(revision: index.revision)).encoded())
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func note(_ byteCount: Int, _ index: PictureIndex?, of number: Int) {
        tally.withLock { tally in
            tally.byteCount += byteCount
            guard let index else { return }
            tally.served.insert(number)
            tally.attachable[number] = index.sections[.attachable]
            tally.lastPicture = Clock.sinceBoot()
        }
    }
}
