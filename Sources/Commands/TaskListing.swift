import EngineClient
import JSON
import LinuxSystem
import Values

/// The list of tasks, of services or nodes.
enum TaskListing {
    static func nodeNames(_ engine: EngineClient) async throws -> [String: String] {
        let nodes = try await engine.json("GET", "/nodes").array ?? []
        return Dictionary(
            nodes.map { ($0.text("ID"), $0.at("Description", "Hostname")?.string ?? $0.text("ID")) },
            uniquingKeysWith: { first, _ in first })
    }

    /// - Parameter resolves: whether names are shown for identifiers.
    static func make(
        _ tasks: [JSONValue], services: [String: String], nodes: [String: String], isWhole: Bool, resolves: Bool,
        now: Timestamp = Clock.now()
    ) -> Listing {
        func name(_ task: JSONValue) -> String {
            let service = task.text("ServiceID")
            let place = task.number("Slot") > 0 ? String(task.number("Slot")) : task.text("NodeID")
            return "\(resolves ? services[service] ?? service : service).\(place)"
        }
        // The newest task of a place first, its predecessors below it.
        let sorted = tasks.sorted { left, right in
            if left.text("ServiceID") != right.text("ServiceID") { return name(left) < name(right) }
            if left.number("Slot") != right.number("Slot") { return left.number("Slot") < right.number("Slot") }
            if left.number("Slot") == 0, left.text("NodeID") != right.text("NodeID") {
                return left.text("NodeID") < right.text("NodeID")
            }
            return (left.time("CreatedAt") ?? .epoch) > (right.time("CreatedAt") ?? .epoch)
        }
        var previous = ""
        let rows = sorted.map { task in
            let place = name(task)
            let isPredecessor = place == previous
            previous = place
            let node = task.text("NodeID")
            return row(
                task, name: (isPredecessor ? " \\_ " : "") + place, node: resolves ? nodes[node] ?? node : node,
                isWhole, now)
        }
        return Listing(
            headings: [
                "ID": "ID", "Name": "NAME", "Image": "IMAGE", "Node": "NODE", "DesiredState": "DESIRED STATE",
                "CurrentState": "CURRENT STATE", "Error": "ERROR", "Ports": "PORTS",
            ],
            columns:
                "{{.ID}}\t{{.Name}}\t{{.Image}}\t{{.Node}}\t{{.DesiredState}}\t{{.CurrentState}}\t{{.Error}}"
                + "\t{{.Ports}}",
            rows: rows)
    }

    private static func row(
        _ task: JSONValue, name: String, node: String, _ isWhole: Bool, _ now: Timestamp
    ) -> JSONValue {
        let status = task["Status"] ?? [:]
        var error = status.text("Err")
        if !error.isEmpty { error = "\"\(isWhole ? error : Row.cut(error, 30))\"" }
        let image = task.at("Spec", "ContainerSpec", "Image")?.string ?? ""
        let ports = (status.at("PortStatus", "Ports")?.array ?? []).map {
            "*:\($0.number("PublishedPort"))->\($0.number("TargetPort"))/\($0.text("Protocol"))"
        }
        return [
            "ID": .string(Row.short(task.text("ID"), isWhole)), "Name": .string(name),
            "Image": .string(isWhole ? image : ImageName.shown(image)), "Node": .string(node),
            "DesiredState": .string(capitalised(task.text("DesiredState"))),
            "CurrentState": .string(
                capitalised(status.text("State")) + " "
                    + HumanTime.ago(status.time("Timestamp"), now: now).lowercasingFirst),
            "Error": .string(error), "Ports": .string(ports.joined(separator: ",")),
        ]
    }

    private static func capitalised(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }
}

extension String {
    /// `About a minute ago` behind other words.
    var lowercasingFirst: String { prefix(1).lowercased() + dropFirst() }
}
