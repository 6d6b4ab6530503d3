import ClusterModel
import JSON

/// How one object's specification differs between two revisions.
public struct SpecificationDifference: Hashable, Sendable {
    /// One field: where it is, and what it held. nil where there was none.
    public struct Field: Hashable, Sendable {
        /// `TaskTemplate.ContainerSpec.Env[2]`; empty for the whole specification.
        public var path: String
        public var old: JSONValue?
        public var new: JSONValue?
    }

    public var object: ObjectReference
    public var name: String
    public var change: HistoryRecord.Change
    /// In the order of their paths; the whole of an object that came or went is not taken apart.
    public var fields: [Field]
}

extension SpecificationDifference {
    /// What differs between the specifications of two revisions, by kind, name and identifier.
    public static func between(
        _ old: [ObjectReference: HistoryRecord], _ new: [ObjectReference: HistoryRecord]
    ) -> [SpecificationDifference] {
        Set(old.keys).union(new.keys).compactMap { object in
            let before = old[object]?.specification
            let after = new[object]?.specification
            guard before != after, let name = (new[object] ?? old[object])?.name else { return nil }
            return SpecificationDifference(
                object: object, name: name, change: before == nil ? .created : after == nil ? .removed : .updated,
                fields: fields(before, after))
        }.sorted {
            ($0.object.kind.rawValue, $0.name, $0.object.id) < ($1.object.kind.rawValue, $1.name, $1.object.id)
        }
    }

    /// The fields in which two specifications differ.
    public static func fields(_ old: JSONValue?, _ new: JSONValue?) -> [Field] {
        var fields: [Field] = []
        compare(old, new, at: "", into: &fields)
        return fields
    }

    /// A bare `nil` would be JSON's null.
    private static func element(_ index: Int, of elements: [JSONValue]) -> JSONValue? {
        elements.indices.contains(index) ? elements[index] : Optional<JSONValue>.none
    }

    private static func compare(_ old: JSONValue?, _ new: JSONValue?, at path: String, into fields: inout [Field]) {
        if old == new { return }
        switch (old, new) {
        case (.object(let old), .object(let new)):
            for name in Set(old.keys).union(new.keys).sorted() {
                compare(old[name], new[name], at: path.isEmpty ? name : "\(path).\(name)", into: &fields)
            }
        case (.array(let old), .array(let new)):
            for index in 0..<max(old.count, new.count) {
                compare(element(index, of: old), element(index, of: new), at: "\(path)[\(index)]", into: &fields)
            }
        default: fields.append(Field(path: path, old: old, new: new))
        }
    }
}
