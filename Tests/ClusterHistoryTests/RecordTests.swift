import ClusterModel
import JSON
import Testing
import Values

@testable import ClusterHistory

@Suite struct RecordTests {
    @Test("A change of a specification leaves a record with its author; a change of a status leaves none")
    func specificationsAlone() throws {
        var past = try Past()
        let begun = past.records.count
        let revision = try past.create("s", Past.document("web", image: "a"))
        try past.apply(
            by: .orchestrator, .observeNode(id: "n1", NodeStatus(state: .down, addr: ""), nil),
            .allocate(serviceID: "s", ServiceEndpoint(spec: EndpointSpec(mode: "dnsrr"))),
            .createTask(
                TaskObject(
                    id: "t", createdAt: .epoch, serviceID: "s", slot: 1, spec: TaskTemplate(containerSpec: nil),
                    specVersion: 1)))
        try past.createNetwork("x", "back", "10.0.1.0/24")
        #expect(
            past.records.dropFirst(begun).map { [$0.object.kind.rawValue, $0.name, $0.change.rawValue] } == [
                ["service", "web", "created"], ["network", "back", "created"],
            ], "nor does the cluster's next network identifier")
        let record = past.records[begun]
        #expect(record.revision == revision)
        #expect(record.author == .node(id: "n1", client: "test"))
        #expect(record.time == past.records[begun].time && record.time > .epoch)
        #expect(record.specification == Past.document("web", image: "a"))
    }

    @Test("An object that is changed twice in one transaction has one record; one that stays as it was has none")
    func onceForEachObject() throws {
        var past = try Past()
        let begun = past.records.count
        var node = past.state.nodes["n2"]!
        node.spec.labels = ["zone": "a"]
        var again = node
        again.spec.labels = [:]
        try past.apply(.putNode(node, expected: nil), .putNode(again, expected: nil))
        #expect(past.records.count == begun)
        try past.apply(.putNode(again, expected: nil), .putNode(node, expected: nil))
        #expect(past.records.count == begun + 1)
        #expect(past.records.last?.specification?["Labels"] == ["zone": "a"])
    }

    @Test("That the cluster's version rose is told, once")
    func rises() throws {
        var past = try Past()
        let begun = past.records.count
        let revision = try past.apply(
            by: .orchestrator, note: "cluster version 2", .raiseVersion(to: ClusterVersion(2)))
        try past.apply(by: .orchestrator, .raiseVersion(to: ClusterVersion(2)))
        let records = past.records.dropFirst(begun)
        #expect(records.map(\.revision) == [revision])
        #expect(records.first?.change == .updated && records.first?.note == "cluster version 2")
        #expect(records.first?.specification == past.state.cluster?.spec)
    }

    @Test("No record holds what is secret")
    func nothingSecret() throws {
        let past = try Past()
        #expect(!past.records.contains { $0.specification?.text.contains("secret") ?? false })
    }

    @Test("An old entry, which has no author, is an entry all the same")
    func oldEntries() throws {
        let text = #"{"id":"x","mutations":[{"removeTask":{"_0":"t"}}],"time":"1970-01-01T00:00:00.000000005Z"}"#
        let transaction = try JSONCoding.decode(Transaction.self, from: Array(text.utf8))
        #expect(transaction.author == nil && transaction.note == nil)
        #expect(transaction.mutations == [.removeTask("t")])
        #expect(try JSONCoding.verbatim.value(of: transaction).text == text)
    }

    @Test("An entry carries its author and its note")
    func entries() throws {
        let transaction = Transaction(
            time: .epoch, author: .node("n", through: "local socket, user 0"), note: "rollback to 3",
            mutations: [.removeTask("t")])
        #expect(try JSONCoding.decode(Transaction.self, from: JSONCoding.encode(transaction)) == transaction)
        #expect(
            try JSONCoding.verbatim.value(of: transaction).text
                == #"{"by":{"node":{"client":"local socket, user 0","id":"n"}},"#
                + #""mutations":[{"removeTask":{"_0":"t"}}],"#
                + #""note":"rollback to 3","time":"1970-01-01T00:00:00Z"}"#)
        let orchestrated = Transaction(time: .epoch, author: .orchestrator, mutations: [])
        #expect(try JSONCoding.decode(Transaction.self, from: JSONCoding.encode(orchestrated)) == orchestrated)
        let long = Author.node("n", through: String(repeating: "x", count: 1000))
        #expect(long == .node(id: "n", client: String(repeating: "x", count: Author.clientByteLimit)))
    }

    @Test("Specifications are compared field by field")
    func fields() {
        let old: JSONValue = ["a": 1, "b": ["c": [1, 2]], "gone": true]
        let new: JSONValue = ["a": 1, "b": ["c": [1, 3, 4]], "new": .null]
        #expect(
            SpecificationDifference.fields(old, new) == [
                .init(path: "b.c[1]", old: 2, new: 3), .init(path: "b.c[2]", old: nil, new: 4),
                .init(path: "gone", old: true, new: nil), .init(path: "new", old: nil, new: .null),
            ])
        #expect(SpecificationDifference.fields(old, old).isEmpty)
        #expect(SpecificationDifference.fields(nil, 5) == [.init(path: "", old: nil, new: 5)])
        #expect(SpecificationDifference.fields([1], ["a": 1]) == [.init(path: "", old: [1], new: ["a": 1])])
    }

    @Test("Two revisions differ in what came, went and changed between them")
    func differences() throws {
        var past = try Past()
        let first = try past.create("1", Past.document("one", image: "a"))
        try past.create("2", Past.document("two", image: "a"))
        try past.apply(.removeService("1", expected: nil))
        let last = try past.update("2", Past.document("two", image: "b"))
        let whole = SpecificationDifference.between(past.specifications(at: first), past.specifications(at: last))
        #expect(whole.map { [$0.name, $0.change.rawValue] } == [["one", "removed"], ["two", "created"]])
        let small = SpecificationDifference.between(past.specifications(at: last - 1), past.specifications(at: last))
        #expect(
            small.map(\.fields) == [[.init(path: "TaskTemplate.ContainerSpec.Image", old: "a", new: "b")]])
    }
}
