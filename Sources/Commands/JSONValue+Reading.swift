import JSON
import Values

extension JSONValue {
    /// The value below several members, one in the other.
    func at(_ path: String...) -> JSONValue? {
        var value = self
        for name in path {
            guard let next = value[name] else { return nil }
            value = next
        }
        return value
    }

    /// A member's text; empty where it is missing or no text.
    func text(_ name: String) -> String { self[name]?.string ?? "" }

    /// A member's number; 0 where it is missing or no number.
    func number(_ name: String) -> Int64 { self[name]?.integer ?? 0 }

    func list(_ name: String) -> [JSONValue] { self[name]?.array ?? [] }

    func members(_ name: String) -> [String: JSONValue] { self[name]?.object ?? [:] }

    /// A member that is a list of texts.
    func texts(_ name: String) -> [String] { list(name).compactMap(\.string) }

    /// A member's moment; nil where it is missing or Docker's "never".
    func time(_ name: String) -> Timestamp? {
        let text = text(name)
        return text == Timestamp.zeroText ? nil : Timestamp(rfc3339: text)
    }

    /// A list of texts.
    static func strings(_ texts: some Sequence<String>) -> JSONValue { .array(texts.map { .string($0) }) }

    /// An object of texts.
    static func texts(_ texts: [String: String]) -> JSONValue { .object(texts.mapValues { .string($0) }) }

    /// Changes the value below several members, making objects where there are none.
    mutating func set(_ path: String..., to value: JSONValue?) { set(path[...], to: value) }

    private mutating func set(_ path: ArraySlice<String>, to value: JSONValue?) {
        guard let first = path.first else { return }
        if path.count == 1 {
            self[first] = value
            return
        }
        var inner = self[first] ?? [:]
        if inner.object == nil { inner = [:] }
        inner.set(path.dropFirst(), to: value)
        self[first] = inner
    }
}
