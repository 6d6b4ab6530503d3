/// The head of a request (RFC 9112 section 3).
public struct RequestHead: Hashable, Sendable {
    public var method: String
    /// As it was sent: path and query, percent-encoded.
    public var target: String
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    public var minorVersion: Int
    public var headers: HeaderFields

    public init(method: String, target: String, minorVersion: Int = 1, headers: HeaderFields = [:]) {
        self.method = method
        self.target = target
        self.minorVersion = minorVersion
        self.headers = headers
    }

    /// Whether the connection may carry another request after this one (RFC 9112 section 9.3).
    public var keepsAlive: Bool {
        if headers.contains("connection", token: "close") { return false }
        return minorVersion >= 1 || headers.contains("connection", token: "keep-alive")
    }

    public func serialized() -> [UInt8] {
        MessageHead.serialized("\(method) \(target) HTTP/1.\(minorVersion)", headers)
    }
}

/// The head of a response (RFC 9112 section 4).
public struct ResponseHead: Hashable, Sendable {
    public var status: Int
    public var reason: String
    public var minorVersion: Int
    public var headers: HeaderFields

    public init(status: Int, reason: String? = nil, headers: HeaderFields = [:]) {
        self.status = status
        self.reason = reason ?? Self.reasons[status] ?? "Status"
        minorVersion = 1
        self.headers = headers
    }

    public func serialized() -> [UInt8] { MessageHead.serialized("HTTP/1.1 \(status) \(reason)", headers) }

    private static let reasons = [
        100: "Continue", 101: "UPGRADED", 200: "OK", 201: "Created", 204: "No Content", 304: "Not Modified",
        400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
        406: "Not Acceptable", 409: "Conflict", 411: "Length Required", 413: "Content Too Large",
        431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
        503: "Service Unavailable", 505: "HTTP Version Not Supported",
    ]
}

/// Takes the head of the next message from received bytes.
public struct MessageHead: Sendable {
    /// How much was searched without finding the end.
    private var searched = 0

    public init() {}

    /// The request's head, taken from the queue; nil while it is not complete.
    public mutating func request(from queue: inout ByteQueue) throws(HTTPError) -> RequestHead? {
        guard let lines = try lines(from: &queue) else { return nil }
        let words = lines[0].split(separator: 0x20, omittingEmptySubsequences: false)
        guard words.count == 3, !words[0].isEmpty, words[0].count <= 32, words[0].allSatisfy(HeaderFields.isToken),
            !words[1].isEmpty, words[1].allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else { throw .malformed("malformed request line") }
        return RequestHead(
            method: String(decoding: words[0], as: UTF8.self), target: String(decoding: words[1], as: UTF8.self),
            minorVersion: try Self.minorVersion(words[2]), headers: try HeaderFields(parsing: lines.dropFirst()))
    }

    /// The response's head, taken from the queue; nil while it is not complete.
    public mutating func response(from queue: inout ByteQueue) throws(HTTPError) -> ResponseHead? {
        guard let lines = try lines(from: &queue) else { return nil }
        let words = lines[0].split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count >= 2, words[1].count == 3, let status = Int(String(decoding: words[1], as: UTF8.self)),
            (100..<1000).contains(status)
        else { throw .malformed("malformed status line") }
        var head = ResponseHead(
            status: status, reason: words.count == 3 ? String(decoding: words[2], as: UTF8.self) : "",
            headers: try HeaderFields(parsing: lines.dropFirst()))
        head.minorVersion = try Self.minorVersion(words[0])
        return head
    }

    private mutating func lines(from queue: inout ByteQueue) throws(HTTPError) -> [ArraySlice<UInt8>]? {
        if searched == 0 { queue.skipEmptyLines() }
        guard let length = queue.headLength(from: searched) else {
            searched = queue.count
            guard searched <= HTTPLimits.headBytes else { throw .headTooLong }
            return nil
        }
        searched = 0
        guard length <= HTTPLimits.headBytes else { throw .headTooLong }
        let head = queue.take(upTo: length)
        return head.split(separator: 0x0a).map { $0.last == 0x0d ? $0.dropLast() : $0 }.filter { !$0.isEmpty }
    }

    private static func minorVersion(_ word: ArraySlice<UInt8>) throws(HTTPError) -> Int {
        switch String(decoding: word, as: UTF8.self) {
        case "HTTP/1.1": return 1
        case "HTTP/1.0": return 0
        case let text where text.hasPrefix("HTTP/"): throw .unsupportedVersion
        default: throw .malformed("malformed HTTP version")
        }
    }

    static func serialized(_ line: String, _ headers: HeaderFields) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(512)
        bytes += line.utf8
        for field in headers.fields {
            bytes += [0x0d, 0x0a]
            bytes += field.name.utf8
            bytes += [0x3a, 0x20]
            // What would end the line (RFC 9110 section 5.5) is left out.
            for byte in field.value.utf8 where !(0x0a...0x0d).contains(byte) && byte != 0 { bytes.append(byte) }
        }
        bytes += [0x0d, 0x0a, 0x0d, 0x0a]
        return bytes
    }
}
