import ClusterModel
import JSON
import Testing
import Values

@Suite struct SharedValueTests {
    private static func template(_ image: String) -> TaskTemplate {
        TaskTemplate(containerSpec: ContainerSpec(image: image))
    }

    private static func service(_ image: String) -> ServiceObject {
        ServiceObject(
            id: "s", createdAt: .epoch, spec: ServiceSpec(name: "s", taskTemplate: template(image)), document: [:],
            endpoint: ServiceEndpoint())
    }

    private static func task(_ id: String, _ image: String) -> TaskObject {
        TaskObject(id: id, createdAt: .epoch, serviceID: "s", slot: 1, spec: template(image), specVersion: 1)
    }

    @Test("Tasks hold their service's template, or the one before, and their own where it is neither")
    func templates() throws {
        var service = Self.service("a")
        service.update(to: ServiceSpec(name: "s", taskTemplate: Self.template("b")), document: [:], at: .epoch)
        var state = ClusterState()
        let tasks = ["a", "b", "c"].map { Self.task($0, $0) }
        _ = try state.apply(
            Transaction(
                time: .epoch, mutations: [.putService(service, expected: 0)] + tasks.map { .createTask($0) }), at: 1)
        let held = try #require(state.services["s"])
        #expect(state.tasks["b"]?.$spec.isShared(with: held.spec.$taskTemplate) == true)
        #expect(state.tasks["a"]?.$spec.isShared(with: held.previousSpec!.$taskTemplate) == true)
        #expect(state.tasks["c"]?.spec == Self.template("c"))
        // The same of a state that is read from a store.
        let again = ClusterState(
            index: 1, time: .epoch, cluster: nil, nodes: [], services: [held], tasks: tasks, networks: [],
            attachments: [], configs: [], secrets: [], recentTransactions: [])
        #expect(again.tasks["b"]?.$spec.isShared(with: held.spec.$taskTemplate) == true)
    }

    @Test("Changing one that is shared changes no other")
    func changes() {
        let one = Self.task("1", "a")
        var other = one
        #expect(other.$spec.isShared(with: one.$spec))
        other.spec.containerSpec?.image = "b"
        #expect(one.spec == Self.template("a") && other.spec == Self.template("b") && one != other)
        let equal = Self.task("1", "a")
        #expect(equal == one && !equal.$spec.isShared(with: one.$spec) && equal.hashValue == one.hashValue)
    }

    @Test("It is written as the value is")
    func coding() throws {
        let text = try JSONCoding.encode(Self.task("1", "a"))
        let value = try JSONValue(parsing: text)
        #expect(value["spec"]?["containerSpec"]?["image"] == "a")
        #expect(try JSONCoding.decode(TaskObject.self, from: text) == Self.task("1", "a"))
        let spec = try JSONCoding.docker.decode(
            ServiceSpec.self, from: ["Name": "x", "TaskTemplate": ["ContainerSpec": ["Image": "i"]]])
        #expect(spec.taskTemplate.containerSpec?.image == "i")
    }
}
