import JSON
import NIOCore
import NIOPosix

/// A request's body.
public enum EngineRequestBody: Sendable {
    case none
    case bytes([UInt8], contentType: String)
    /// Pieces until nil, sent chunked as they come.
    case stream(contentType: String, @Sendable () async throws -> [UInt8]?)

    /// A JSON body.
    public static func json(_ value: JSONValue) -> EngineRequestBody {
        .bytes(value.serialized(), contentType: "application/json")
    }
}

/// A client of the Docker Engine API over a Unix socket or TCP. Every request has a connection of its own.
public final class EngineClient: Sendable {
    /// The largest answer that is read whole, in bytes.
    public static let bodyLimit = 64 << 20

    public let address: EngineAddress
    /// Written before each path, `1.51`; nil leaves the version to the engine.
    public let apiVersion: String?
    private let group: any EventLoopGroup

    public init(address: EngineAddress, apiVersion: String? = "1.51") {
        self.address = address
        self.apiVersion = apiVersion
        group = MultiThreadedEventLoopGroup.singleton
    }

    /// Sends a request and returns the answer, whatever its status, as soon as its headers are there.
    ///
    /// `path` begins with a slash and is percent-encoded by the caller where it must be (`EngineClient.escape`).
    public func send(
        _ method: String, _ path: String, query: [(String, String)] = [], headers: [(String, String)] = [],
        body: EngineRequestBody = .none
    ) async throws -> EngineResponse {
        let connection = try await open()
        do {
            try await connection.writeHead(method, target(path, query), host: host, headers, body, isUpgrade: false)
            let head = try await connection.sendBody(body)
            return EngineResponse(head, connection: connection)
        } catch {
            connection.close()
            throw error
        }
    }

    /// Sends a request and returns the answer where the status is below 400; throws the engine's refusal otherwise.
    public func perform(
        _ method: String, _ path: String, query: [(String, String)] = [], headers: [(String, String)] = [],
        body: EngineRequestBody = .none
    ) async throws -> EngineResponse {
        let response = try await send(method, path, query: query, headers: headers, body: body)
        guard response.status < 400 else {
            throw EngineClientError(status: response.status, body: try await response.bytes())
        }
        return response
    }

    /// Sends a request and reads its JSON answer; `.null` where the answer is empty.
    @discardableResult
    public func json(
        _ method: String, _ path: String, query: [(String, String)] = [], headers: [(String, String)] = [],
        body: JSONValue? = nil
    ) async throws -> JSONValue {
        let response = try await perform(
            method, path, query: query, headers: headers, body: body.map { .json($0) } ?? .none)
        let bytes = try await response.bytes()
        return bytes.isEmpty ? .null : try JSONValue(parsing: bytes, limits: JSONLimits(bytes: Self.bodyLimit))
    }

    /// Sends a request and decodes its JSON answer in Docker's flavour.
    public func value<T: Decodable>(
        _ type: T.Type, _ method: String, _ path: String, query: [(String, String)] = [], body: JSONValue? = nil
    ) async throws -> T {
        try JSONCoding.docker.decode(type, from: try await json(method, path, query: query, body: body))
    }

    /// Sends a request whose answer turns the connection into a raw stream: attach and exec.
    public func hijack(
        _ method: String, _ path: String, query: [(String, String)] = [], body: JSONValue? = nil
    ) async throws -> HijackedStream {
        let connection = try await open()
        do {
            let body = body.map { EngineRequestBody.json($0) } ?? .none
            try await connection.writeHead(method, target(path, query), host: host, [], body, isUpgrade: true)
            let head = try await connection.sendBody(body)
            guard head.status < 400 else {
                let response = EngineResponse(head, connection: connection)
                throw EngineClientError(status: head.status, body: try await response.bytes())
            }
            try await connection.becomeRaw()
            return HijackedStream(head, connection: connection)
        } catch {
            connection.close()
            throw error
        }
    }

    /// Percent-encodes one segment of a path; slashes stay.
    public static func escape(_ segment: String) -> String { percentEncode(segment, keeping: "-._~/:@") }

    private var host: String {
        if case .tcp(let host, let port) = address {
            "\(host.contains(":") ? "[\(host)]" : host):\(port)"
        } else {
            "docker"
        }
    }

    private func target(_ path: String, _ query: [(String, String)]) -> String {
        var target = (apiVersion.map { "/v" + $0 } ?? "") + path
        for (index, (name, value)) in query.enumerated() {
            target += index == 0 ? "?" : "&"
            target += Self.percentEncode(name, keeping: "-._~") + "=" + Self.percentEncode(value, keeping: "-._~")
        }
        return target
    }

    private static func percentEncode(_ text: String, keeping: String) -> String {
        let kept = Set(keeping.utf8)
        let digits = Array("0123456789ABCDEF".utf8)
        var encoded: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: encoded.append(byte)
            case _ where kept.contains(byte): encoded.append(byte)
            default: encoded += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    private func open() async throws -> ClientConnection {
        do {
            return try await ClientConnection.open(address, group: group)
        } catch {
            throw EngineClientError(
                status: 0,
                message: "Cannot connect to the Martlet daemon at \(address). Is martletd running? (\(error))")
        }
    }
}
