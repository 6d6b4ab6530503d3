import JSON
import Values

/// Something that happened to an object of the engine (Engine API: EventMessage).
public struct EngineEvent: Hashable, Sendable {
    public enum Kind: String, Sendable {
        case container, image, network, volume, service, node, daemon, config, secret
    }

    public let kind: Kind
    public let action: String
    public let id: String
    /// `name`, `image`, the container's labels and what belongs to the action.
    public let attributes: [String: String]
    public let time: Timestamp
    /// `local` or `swarm`.
    public let scope: String

    public init(
        kind: Kind, action: String, id: String, attributes: [String: String] = [:], time: Timestamp,
        scope: String = "local"
    ) {
        self.kind = kind
        self.action = action
        self.id = id
        self.attributes = attributes
        self.time = time
        self.scope = scope
    }

    /// The message as Docker's clients read it, the older fields included.
    public var message: JSONValue {
        var value: JSONValue = [
            "Type": .string(kind.rawValue), "Action": .string(action),
            "Actor": [
                "ID": .string(id), "Attributes": .object(attributes.mapValues { .string($0) }),
            ],
            "scope": .string(scope), "time": .integer(time.secondsSinceEpoch),
            "timeNano": .integer(time.nanosecondsSinceEpoch),
        ]
        if kind == .container || kind == .image {
            value["status"] = .string(action)
            value["id"] = .string(id)
            if let image = attributes["image"] { value["from"] = .string(image) }
        }
        return value
    }
}
