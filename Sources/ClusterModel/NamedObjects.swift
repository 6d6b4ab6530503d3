import Collections
import Values

/// An object of the cluster whose name no other of its kind has.
public protocol NamedObject: Sendable {
    static var kind: ObjectKind { get }
    var id: String { get }
    var name: String { get }
    var version: ObjectVersion { get set }
    var createdAt: Timestamp { get }
    var updatedAt: Timestamp { get set }
}

/// The objects of one kind by identifier and by name. A value: a copy costs nothing.
public struct NamedObjects<Object: NamedObject>: Sendable {
    /// In a box, so that the tree's nodes, which are copied at every change, are small.
    private final class Held: Sendable {
        let object: Object

        init(_ object: Object) { self.object = object }
    }

    private var objects = TreeDictionary<String, Held>()
    private var ids = TreeDictionary<String, String>()

    init() {}

    init(_ objects: [Object]) {
        for object in objects {
            self.objects[object.id] = Held(object)
            ids[object.name] = object.id
        }
    }

    public subscript(id: String) -> Object? { objects[id]?.object }

    public func named(_ name: String) -> Object? { ids[name].flatMap { self[$0] } }

    /// In no particular order.
    public var values: some Sequence<Object> { objects.values.lazy.map(\.object) }
    public var count: Int { objects.count }
    public var isEmpty: Bool { objects.isEmpty }

    mutating func put(
        _ object: Object, expected: UInt64?, at index: UInt64, _ time: Timestamp
    ) throws(Refusal) -> AppliedChange {
        let current = self[object.id]
        try Refusal.check(Object.kind, object.id, current?.version, expected: expected)
        if let holder = ids[object.name], holder != object.id {
            throw .alreadyExists(kind: Object.kind, name: object.name)
        }
        if let current, current.name != object.name { ids[current.name] = nil }
        var object = object
        object.version = ObjectVersion(index: index)
        object.updatedAt = time
        objects[object.id] = Held(object)
        ids[object.name] = object.id
        return AppliedChange(kind: Object.kind, id: object.id, action: current == nil ? .create : .update)
    }

    mutating func remove(_ id: String, expected: UInt64?) throws(Refusal) -> AppliedChange {
        guard let object = self[id] else { throw .notFound(kind: Object.kind, id: id) }
        try Refusal.check(Object.kind, id, object.version, expected: expected)
        objects[id] = nil
        ids[object.name] = nil
        return AppliedChange(kind: Object.kind, id: id, action: .remove)
    }
}
