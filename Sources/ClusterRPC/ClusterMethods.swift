import GRPCCore

/// The gRPC methods between hosts. Messages are raw bytes.
enum ClusterMethods {
    private static let service = ServiceDescriptor(fullyQualifiedService: "martlet.Cluster")

    static let enrol = MethodDescriptor(service: service, method: "Enrol", type: .unary)
    static let call = MethodDescriptor(service: service, method: "Call", type: .unary)
    /// Says nothing in the other direction, but gRPC would hold back the headers that accept a client's stream.
    static let raft = MethodDescriptor(service: service, method: "Raft", type: .bidirectionalStreaming)
    static let session = MethodDescriptor(service: service, method: "Session", type: .bidirectionalStreaming)
    static let blob = MethodDescriptor(service: service, method: "Blob", type: .serverStreaming)

    /// The metadata field that names what a `Call` asks.
    static let callName = "martlet-method"
    /// The metadata field that names the caller's history.
    static let history = "martlet-history"

    /// Whether a name may stand in a metadata field.
    static func isName(_ text: String) -> Bool {
        (1...RPCLimits.methodNameBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }
}

/// Messages as they are.
struct RawBytes: MessageSerializer, MessageDeserializer {
    typealias Message = [UInt8]

    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }

    func deserialize<Bytes: GRPCContiguousBytes>(_ serializedMessageBytes: Bytes) throws -> [UInt8] {
        serializedMessageBytes.withUnsafeBytes { Array($0) }
    }
}
