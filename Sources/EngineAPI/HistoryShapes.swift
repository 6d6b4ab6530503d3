import ClusterHistory
import ClusterManager
import ClusterModel
import ClusterStore
import JSON

/// The cluster's history as Martlet's own routes show it.
enum HistoryShapes {
    /// - Parameter names: of nodes, by identifier.
    static func record(_ record: HistoryRecord, names: [String: String]) -> JSONValue {
        var value = object(record.object, record.name).overlaid(with: [
            "Revision": number(record.revision), "Time": .string(record.time.description),
            "Author": author(record.author, names), "Change": .string(record.change.rawValue),
        ])
        if let note = record.note { value["Note"] = .string(note) }
        return value
    }

    /// The same with both specifications; null for none.
    static func change(_ change: HistoryChange, names: [String: String]) -> JSONValue {
        record(change.record, names: names).overlaid(with: [
            "Before": change.before ?? .null, "Specification": change.record.specification ?? .null,
            "Fields": fields(SpecificationDifference.fields(change.before, change.record.specification)),
        ])
    }

    static func difference(_ difference: SpecificationDifference) -> JSONValue {
        object(difference.object, difference.name).overlaid(with: [
            "Change": .string(difference.change.rawValue), "Fields": fields(difference.fields),
        ])
    }

    static func plan(_ plan: RollbackPlan, basis: UInt64?) -> JSONValue {
        var value: JSONValue = [
            "To": number(plan.revision),
            "Steps": .array(
                plan.steps.map { step in
                    object(step.object, step.name).overlaid(with: [
                        "Change": .string(step.change.rawValue), "Fields": fields(step.fields),
                        "Remark": .string(step.remark ?? ""),
                    ])
                }),
            "Exceptions": .array(
                plan.exceptions.map { exception in
                    object(exception.object, exception.name).overlaid(with: ["Reason": .string(exception.reason)])
                }),
        ]
        if let basis { value["Basis"] = number(basis) }
        return value
    }

    static func outcome(_ outcome: RollbackOutcome) -> JSONValue {
        plan(outcome.plan, basis: nil).overlaid(with: [
            "Revision": outcome.revision.map(number) ?? .null, "LeftNetworks": .strings(outcome.leftNetworks),
        ])
    }

    static func answer(_ answer: StateQueryAnswer) -> JSONValue {
        [
            "Columns": .strings(answer.columns), "Rows": .array(answer.rows.map { .array($0) }),
            "Cut": .bool(answer.isCut),
        ]
    }

    private static func number(_ number: UInt64) -> JSONValue { .integer(Int64(clamping: number)) }

    private static func object(_ object: ObjectReference, _ name: String) -> JSONValue {
        ["Kind": .string(object.kind.rawValue), "ID": .string(object.id), "Name": .string(name)]
    }

    private static func author(_ author: Author?, _ names: [String: String]) -> JSONValue {
        switch author {
        case .orchestrator: ["Kind": "orchestrator"]
        case .node(let id, let client):
            [
                "Kind": "node", "NodeID": .string(id), "Hostname": .string(names[id] ?? ""),
                "Client": .string(client ?? ""),
            ]
        case nil: ["Kind": "unknown"]
        }
    }

    /// The old value and the new one of each field; what was not there is left out.
    private static func fields(_ fields: [SpecificationDifference.Field]) -> JSONValue {
        .array(
            fields.map { field in
                var value: JSONValue = ["Path": .string(field.path)]
                if let old = field.old { value["Old"] = old }
                if let new = field.new { value["New"] = new }
                return value
            })
    }
}
