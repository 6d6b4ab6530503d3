import EngineModel
import HTTPMessages
import JSON
import Values

/// A request as a route sees it.
struct APIRequest: Sendable {
    /// The longest JSON body, in bytes.
    static let bodyLimit = 8 << 20

    let head: RequestHead
    let target: RequestTarget
    /// The minor part of the API version that the client speaks: 51 for 1.51.
    let version: Int
    /// What stood in the route's braces.
    let parameters: [String: String]
    let body: RequestBody

    /// Docker's rule for flags: anything but nothing, `0`, `no`, `false` and `none` is true.
    func flag(_ name: String, default standard: Bool = false) -> Bool {
        guard let text = target[name] else { return standard }
        return !["", "0", "no", "false", "none"].contains(text.lowercased())
    }

    /// A parameter that is not empty.
    func text(_ name: String) -> String? { target.text(name) }

    /// A number; nil where it is missing.
    func number<Number: FixedWidthInteger>(_ name: String, as type: Number.Type = Number.self) throws -> Number? {
        try target.number(name)
    }

    /// A moment as Docker's clients send it: seconds since the epoch with an optional fraction, or RFC 3339.
    func time(_ name: String) throws -> Timestamp? { try target.time(name) }

    func filters() throws -> ObjectFilters { try ObjectFilters(parsing: target["filters"] ?? "") }

    /// The object that the path names.
    subscript(name: String) -> String { parameters[name] ?? "" }

    private static func isJSON(_ contentType: String) -> Bool {
        if contentType == "application/json" { return true }
        let type = contentType.prefix { $0 != ";" }.lowercased()
        return type.split(separator: " ").joined() == "application/json"
    }

    /// The body as JSON; an empty one is refused, and one that says it is something else.
    func json() async throws -> JSONValue {
        if let type = head.headers["content-type"], !Self.isJSON(type) {
            throw EngineError(
                .invalidParameter, "unsupported Content-Type header (\(type)): must be 'application/json'")
        }
        let bytes = try await body.bytes(limit: Self.bodyLimit)
        guard !bytes.isEmpty else {
            throw EngineError(.invalidParameter, "invalid JSON: got EOF while reading request body")
        }
        return try JSONValue(parsing: bytes)
    }

    /// The body decoded in Docker's flavour.
    func decode<T: Decodable>(_ type: T.Type) async throws -> T {
        try JSONCoding.docker.decode(type, from: try await json())
    }
}

/// The query's parameters as what they stand for.
extension RequestTarget {
    func text(_ name: String) -> String? { self[name].flatMap { $0.isEmpty ? nil : $0 } }

    func number<Number: FixedWidthInteger>(_ name: String, as type: Number.Type = Number.self) throws -> Number? {
        guard let text = text(name) else { return nil }
        guard let number = Number(text) else {
            throw EngineError(.invalidParameter, "invalid value for \(name): \"\(text)\" is not a number")
        }
        return number
    }

    func time(_ name: String) throws -> Timestamp? {
        guard let text = text(name), text != "0" else { return nil }
        guard let time = Timestamp(dockerText: text) else {
            throw EngineError(.invalidParameter, "invalid value for \(name): \"\(text)\" is not a time")
        }
        return time
    }
}

extension Timestamp {
    /// Parses `1700000000`, `1700000000.000000123` and RFC 3339.
    init?(dockerText text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        if (1...2).contains(parts.count), let seconds = Int64(parts[0]) {
            var nanoseconds: Int64 = 0
            if parts.count == 2 {
                let digits = parts[1].prefix(9)
                guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                    let value = Int64(digits + String(repeating: "0", count: 9 - digits.count))
                else { return nil }
                nanoseconds = value
            }
            guard (-8_999_999_999...8_999_999_999).contains(seconds) else { return nil }
            self.init(secondsSinceEpoch: seconds, nanoseconds: nanoseconds)
        } else {
            self.init(rfc3339: text)
        }
    }
}
