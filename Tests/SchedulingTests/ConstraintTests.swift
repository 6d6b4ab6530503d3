import ClusterModel
import Scheduling
import Testing
import Values

@Suite struct ConstraintTests {
    static let node: NodeObject = {
        let description = NodeDescription(
            hostname: "Web1", platform: .init(architecture: "x86_64"),
            resources: .init(nanoCPUs: 1, memoryBytes: 1), engine: .init(engineVersion: "1", labels: ["disk": "ssd"]))
        return NodeObject(
            id: "abc", createdAt: .epoch, spec: NodeSpec(labels: ["zone": "a"], role: .worker),
            description: description, status: NodeStatus(state: .ready, addr: "192.0.2.1"), clusterAddress: "")
    }()

    @Test(arguments: [
        ("node.id==abc", true), ("node.id == ABC", false), ("node.hostname==web1", true), ("node.role!=manager", true),
        ("node.role==manager", false), ("node.labels.zone==a", true), ("node.labels.zone!=a", false),
        ("node.labels.none!=x", true), ("engine.labels.disk==ssd", true), ("node.platform.os==Linux", true),
        ("node.platform.arch == x86_64", true), ("node.colour==red", false), ("node.ip==192.0.2.1", true),
    ])
    func matching(text: String, matches: Bool) throws {
        #expect(try Constraint(text).matches(Self.node) == matches)
    }

    @Test(arguments: ["node.id", "node.id=abc", "==x", "node id==x", "node.id==", "node.id==a==b"])
    func refused(text: String) {
        #expect(throws: Constraint.Invalid.self) { try Constraint(text) }
    }
}
