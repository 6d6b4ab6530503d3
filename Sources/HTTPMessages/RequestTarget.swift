/// A request's target taken apart: the path's segments and the query's parameters, both decoded (RFC 3986).
public struct RequestTarget: Hashable, Sendable {
    /// Without empty ones: `/images/a%2Fb/json` is `images`, `a/b`, `json`.
    public var segments: [String]
    public var parameters: [(name: String, value: String)]

    public static func == (left: RequestTarget, right: RequestTarget) -> Bool {
        left.segments == right.segments && left.parameters.elementsEqual(right.parameters, by: ==)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(segments)
        for parameter in parameters {
            hasher.combine(parameter.name)
            hasher.combine(parameter.value)
        }
    }

    public init(parsing target: String) throws(HTTPError) {
        var text = target[...]
        if !text.hasPrefix("/"), let scheme = text.firstRange(of: "://") {
            let rest = text[scheme.upperBound...]
            text = rest.firstIndex(of: "/").map { rest[$0...] } ?? "/"
        }
        guard text.hasPrefix("/") else { throw .malformed("malformed request target") }
        var path = text
        var query: Substring = ""
        if let mark = text.firstIndex(of: "?") {
            path = text[..<mark]
            query = text[text.index(after: mark)...]
        }
        segments = []
        for segment in path.split(separator: "/") { segments.append(try Self.decode(segment, plusIsSpace: false)) }
        parameters = []
        for pair in query.split(separator: "&") {
            let equals = pair.firstIndex(of: "=")
            let name = equals.map { pair[..<$0] } ?? pair
            let value = equals.map { pair[pair.index(after: $0)...] } ?? ""
            parameters.append(
                (try Self.decode(name, plusIsSpace: true), try Self.decode(value, plusIsSpace: true)))
        }
    }

    /// The first parameter of that name.
    public subscript(name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// Every value of that name.
    public func all(_ name: String) -> [String] { parameters.filter { $0.name == name }.map(\.value) }

    private static func decode(_ text: Substring, plusIsSpace: Bool) throws(HTTPError) -> String {
        var bytes: [UInt8] = []
        var iterator = text.utf8.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case 0x25:
                guard let high = iterator.next().flatMap(digit), let low = iterator.next().flatMap(digit) else {
                    throw .malformed("invalid URL escape")
                }
                bytes.append(high << 4 | low)
            case 0x2b where plusIsSpace: bytes.append(0x20)
            default: bytes.append(byte)
            }
        }
        guard let decoded = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw .malformed("the URL is not UTF-8")
        }
        return decoded
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
