import ClusterModel
import JSON
import Scheduling
import Testing
import Values

@Suite struct SchedulerTests {
    static let now = Timestamp(secondsSinceEpoch: 1_700_000_000)

    private var state = ClusterState()
    private var index: UInt64 = 0

    private mutating func apply(_ mutation: Mutation) throws {
        index += 1
        _ = try state.apply(Transaction(time: Self.now, mutations: [mutation]), at: index)
    }

    private mutating func addNode(_ id: String, zone: String? = nil, architecture: String = "x86_64") throws {
        let description = NodeDescription(
            hostname: id, platform: .init(architecture: architecture),
            resources: .init(nanoCPUs: 2_000_000_000, memoryBytes: 1 << 30), engine: .init(engineVersion: "1"))
        let spec = NodeSpec(labels: zone.map { ["zone": $0] } ?? [:], role: .worker)
        let node = NodeObject(
            id: id, createdAt: Self.now, spec: spec, description: description,
            status: NodeStatus(state: .ready, addr: "192.0.2.1"), clusterAddress: "192.0.2.1:2377")
        try apply(.putNode(node, expected: 0))
    }

    /// A task of the service `s` whose placement is as clients write it.
    private func task(
        _ id: String, placement: String? = nil, ports: [PortConfiguration] = []
    ) throws -> TaskObject {
        var template = TaskTemplate(containerSpec: ContainerSpec(image: "web:1"))
        if let placement {
            template.placement = try JSONCoding.docker.decode(TaskTemplate.Placement.self, from: Array(placement.utf8))
        }
        var task = TaskObject(
            id: id, createdAt: Self.now, serviceID: "s", slot: 1, spec: template, specVersion: 1)
        task.endpoint = ServiceEndpoint(spec: EndpointSpec(ports: ports))
        return task
    }

    /// The nodes on which tasks of the same kind go one after the other; a reason where there is none.
    private func places(
        _ count: Int, placement: String? = nil, ports: [PortConfiguration] = [], at moment: Timestamp = now
    ) throws -> [String] {
        var scheduler = Scheduler(state, now: moment)
        return try (0..<count).map { number in
            switch scheduler.place(try task("t\(number)", placement: placement, ports: ports)).outcome {
            case .node(let id): id
            case .none(let reason): reason
            }
        }
    }

    private static func counts(_ places: [String]) -> [String: Int] {
        places.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }

    @Test("Docker: --placement-pref spread=node.labels.zone")
    mutating func zonesShareEvenly() throws {
        for id in ["a1", "a2", "a3"] { try addNode(id, zone: "a") }
        try addNode("b1", zone: "b")
        let placement = #"{"Preferences":[{"Spread":{"SpreadDescriptor":"node.labels.zone"}}]}"#
        #expect(Self.counts(try places(6, placement: placement)) == ["a1": 1, "a2": 1, "a3": 1, "b1": 3])
        #expect(Self.counts(try places(4)) == ["a1": 1, "a2": 1, "a3": 1, "b1": 1], "without it, nodes share evenly")
    }

    @Test("Docker: --replicas-max-per-node")
    mutating func aNodeTakesSoManyReplicas() throws {
        try addNode("n1")
        try addNode("n2")
        let places = try places(5, placement: #"{"MaxReplicas":2}"#)
        #expect(Self.counts(Array(places.prefix(4))) == ["n1": 2, "n2": 2])
        #expect(places.last == "no suitable node (max replicas per node limit exceed)")
    }

    @Test("Docker: --publish mode=host")
    mutating func aHostPortIsTakenOnce() throws {
        try addNode("n1")
        try addNode("n2")
        let port = PortConfiguration(targetPort: 80, publishedPort: 8080, publishMode: "host")
        let reason = "no suitable node (host-mode port already in use on 2 nodes)"
        #expect(try places(3, ports: [port]) == ["n1", "n2", reason])
        let ingress = PortConfiguration(targetPort: 80, publishedPort: 8080)
        #expect(try places(3, ports: [ingress]) == ["n1", "n2", "n1"], "an ingress port is every node's")
    }

    @Test mutating func aNodeWhereTasksKeepFailingComesLast() throws {
        try addNode("n1")
        try addNode("n2")
        var failures = 0
        while failures < Scheduler.failuresBeforeAvoiding {
            #expect(try places(1) == ["n1"], "after \(failures) failures")
            failures += 1
            var failed = try task("failed\(failures)")
            failed.nodeID = "n1"
            failed.status = TaskStatus(timestamp: Self.now, state: .failed, message: "failed")
            try apply(.createTask(failed))
        }
        #expect(try places(3) == ["n2", "n2", "n2"])
        let later = Self.now.advanced(byNanoseconds: Scheduler.failureMemoryNanoseconds)
        #expect(try places(1, at: later) == ["n1"], "failures are forgotten")
        #expect(try places(1, placement: #"{"Constraints":["node.id==n1"]}"#) == ["n1"], "last is still a choice")
    }

    @Test mutating func platformsGoByEitherName() throws {
        try addNode("arm", architecture: "aarch64")
        try addNode("intel", architecture: "x86_64")
        func placed(_ platforms: String) throws -> [String] {
            try places(1, placement: #"{"Platforms":[\#(platforms)]}"#)
        }
        #expect(try placed(#"{"Architecture":"amd64","OS":"linux"}"#) == ["intel"])
        #expect(try placed(#"{"Architecture":"arm64","OS":"Linux"}"#) == ["arm"])
        #expect(try placed(#"{"Architecture":"x86-64"}"#) == ["intel"])
        #expect(try placed(#"{"OS":"linux"}"#) == ["arm"])
        let reason = "no suitable node (unsupported platform on 2 nodes)"
        #expect(try placed(#"{"Architecture":"amd64","OS":"windows"}"#) == [reason])
        #expect(try placed(#"{"Architecture":"riscv64","OS":"linux"}"#) == [reason])
    }
}
