/// The name of content by its SHA-256, written `sha256:` and 64 hexadecimal digits.
///
/// OCI image-spec: Descriptor, Digests. Only SHA-256 is accepted.
public struct Digest: Hashable, Sendable, Comparable, CustomStringConvertible, Codable {
    /// The 64 lower-case hexadecimal digits.
    public let hex: String

    /// A digest from the 32 bytes of a SHA-256.
    public init(sha256 bytes: some Sequence<UInt8>) {
        hex = Hex.encode(bytes)
        precondition(hex.utf8.count == 64, "a SHA-256 has 32 bytes")
    }

    /// Parses `sha256:<hex>`; nil for anything else.
    public init?(parsing text: some StringProtocol) {
        guard text.hasPrefix("sha256:") else { return nil }
        self.init(hex: text.dropFirst(7))
    }

    /// Parses the 64 lower-case hexadecimal digits alone.
    public init?(hex: some StringProtocol) {
        let digits = hex.utf8
        guard digits.count == 64, digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }) else {
            return nil
        }
        self.hex = String(hex)
    }

    public var description: String { "sha256:" + hex }

    /// The first 12 hexadecimal digits, as Docker shows identifiers.
    public var short: String { String(hex.prefix(12)) }

    public static func < (left: Digest, right: Digest) -> Bool { left.hex < right.hex }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let digest = Digest(parsing: text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "invalid digest \"\(text)\"")
        }
        self = digest
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
