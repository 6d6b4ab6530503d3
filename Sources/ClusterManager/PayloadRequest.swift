import ClusterModel
import EngineModel
import JSON
import Values

/// The body of `POST /configs/create`, `/secrets/create` and of their updates (Engine API: ConfigSpec, SecretSpec). It
/// holds a secret as the client wrote it: never log it, never store it.
public struct PayloadRequest: Sendable, Decodable {
    /// The longest name, in bytes.
    static let nameLimit = 64

    public var name: String
    public var labels: [String: String]
    /// Base64 text.
    public var data: String
    public var templating: JSONValue?
    public var driver: JSONValue?

    /// What is kept beside the data.
    func spec() throws(EngineError) -> PayloadSpec {
        guard !name.isEmpty else { throw .invalid(payload: "name must be provided") }
        guard Self.isValidName(name) else {
            throw .invalid(
                payload: "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character "
                    + "must be [a-zA-Z0-9]")
        }
        if driver?.asksForSomething == true {
            throw EngineError(.notImplemented, "secret drivers are not supported by this version")
        }
        return PayloadSpec(
            name: name, labels: labels, templating: templating?.asksForSomething == true ? templating : nil)
    }

    /// The data of a `kind` of object whose data is shorter than `limit` bytes.
    func bytes(_ kind: ObjectKind, limit: Int) throws(EngineError) -> [UInt8] {
        let bytes = try decoded()
        guard (1..<limit).contains(bytes.count) else {
            throw .invalid(payload: "\(kind.rawValue) data must be larger than 0 and less than \(limit) bytes")
        }
        return bytes
    }

    /// An update may send the data along, but neither it nor the name may be another.
    func requireUnchanged(
        _ spec: PayloadSpec, data: () throws(EngineError) -> [UInt8]
    ) throws(EngineError) {
        var isUnchanged = name == spec.name
        if isUnchanged, !self.data.isEmpty { isUnchanged = try decoded() == data() }
        guard isUnchanged else { throw .invalid(payload: "only updates to Labels are allowed") }
    }

    private func decoded() throws(EngineError) -> [UInt8] {
        guard let bytes = Base64.decode(data) else {
            throw EngineError(.invalidParameter, "invalid JSON: Data is no base64 text")
        }
        return bytes
    }

    static func isValidName(_ name: String) -> Bool {
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
        }
        let bytes = Array(name.utf8)
        guard let first = bytes.first, let last = bytes.last, bytes.count <= nameLimit else { return false }
        return isAlphanumeric(first) && isAlphanumeric(last)
            && bytes.allSatisfy { isAlphanumeric($0) || $0 == 0x2d || $0 == 0x5f || $0 == 0x2e }
    }
}

extension EngineError {
    static func invalid(payload reason: String) -> EngineError {
        EngineError(.invalidParameter, "rpc error: code = InvalidArgument desc = \(reason)")
    }
}
