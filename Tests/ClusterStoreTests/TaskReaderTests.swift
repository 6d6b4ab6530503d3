import ClusterModel
import JSON
import Logging
import RaftNode
import TestSupport
import Testing
import Values

@testable import ClusterStore

@Suite struct TaskReaderTests {
    private static func task(_ number: Int, image: String) -> TaskObject {
        var template = TaskTemplate(containerSpec: ContainerSpec(image: image))
        // Texts with everything that a scan for the template's place might stumble over.
        template.containerSpec?.env = ["A={\"spec\":{}}", "B=\\\"", "C=]}"]
        template.forceUpdate = 3
        var task = TaskObject(
            id: "task-\(number)", createdAt: .epoch, serviceID: "s", slot: UInt64(number), spec: template,
            specVersion: 2)
        task.status.message = "\"spec\":{\"x\":1}"
        return task
    }

    @Test("A task is read as if it were read alone, and templates that are alike are one")
    func tasks() throws {
        let tasks = (0..<6).map { Self.task($0, image: "image-\($0 % 2)") }
        var reader = TaskReader()
        let read = try tasks.map { try reader.task(JSONCoding.encode($0)) }
        #expect(read == tasks)
        #expect(read[0].$spec.isShared(with: read[2].$spec) && !read[0].$spec.isShared(with: read[1].$spec))
    }

    @Test("What is wrong with a text is told with its place")
    func damage() throws {
        var reader = TaskReader()
        var value = try JSONCoding.verbatim.value(of: Self.task(1, image: "x"))
        value["spec"]?["containerSpec"]?["image"] = 5
        #expect(throws: JSONError.self) { try reader.task(value.serialized()) }
        do { _ = try reader.task(value.serialized()) } catch { #expect(error.path == "spec.containerSpec.image") }
        let text = try JSONCoding.encode(Self.task(1, image: "x"))
        for length in [0, 1, text.count / 2, text.count - 1] {
            #expect(throws: JSONError.self) { try reader.task(Array(text[..<length])) }
        }
    }

    @Test("Many tasks are read by several threads, in order; one that cannot be read fails the start")
    func manyTasks() throws {
        let folder = try TemporaryDirectory()
        let logger = Logger(label: "test")
        do {
            let store = try ClusterStore(directory: folder.path, logger: logger)
            for start in stride(from: 0, to: 5_000, by: 1_000) {
                let mutations = (start..<start + 1_000).map {
                    Mutation.createTask(Self.task($0, image: "image-\($0 % 7)"))
                }
                let bytes = try JSONCoding.encode(Transaction(time: .epoch, mutations: mutations))
                _ = try store.apply([CommittedCommand(index: UInt64(start / 1_000 + 1), term: 1, bytes: bytes)])
            }
        }
        var expected: [TaskObject] = []
        do {
            let store = try ClusterStore(directory: folder.path, logger: logger)
            expected = store.state.tasks.values.sorted { $0.id < $1.id }
            #expect(expected.count == 5_000)
            #expect(expected.allSatisfy { $0.spec == Self.task(0, image: "image-\($0.slot % 7)").spec })
            try store.writeSnapshot(to: folder.path + "/copy").map { #expect($0 == 5) }
        }
        let texts = try expected.map { try JSONCoding.encode($0) }
        let read = try ParallelReader.tasks { body in
            for text in texts where try !body(text) { return }
        }
        #expect(read == expected)
        for broken in [0, 2_500, 4_999] {
            #expect(throws: JSONError.self) {
                try ParallelReader.tasks { body in
                    for (number, text) in texts.enumerated() {
                        if try !body(number == broken ? [] : text) { return }
                    }
                }
            }
        }
    }
}
