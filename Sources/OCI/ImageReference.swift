import Values

/// The name of an image: where it lives, its repository, and a tag, a digest or both.
///
/// Follows Docker's distribution/reference: `x` means `docker.io/library/x`, and names of that registry are shown
/// without it. Errors have Docker's texts.
public struct ImageReference: Hashable, Sendable, CustomStringConvertible {
    /// A registry: `docker.io`, `localhost:5000`.
    public let domain: String
    /// The repository in the registry: `library/x`.
    public let path: String
    public let tag: String?
    public let digest: Digest?

    public static let defaultDomain = "docker.io"
    public static let defaultTag = "latest"
    /// The longest repository path in characters.
    public static let maximumPathLength = 255
    /// The longest tag in characters.
    public static let maximumTagLength = 128

    public init(parsing text: some StringProtocol) throws(OCIError) {
        let text = String(text)
        if Digest(hex: text) != nil {
            throw OCIError("invalid repository name (\(text)), cannot specify 64-byte hexadecimal strings")
        }
        let (domain, remainder) = Self.splitDomain(text)
        let remote = remainder.prefix { $0 != ":" }
        guard remote.lowercased() == remote else {
            throw OCIError("invalid reference format: repository name (\(remote)) must be lowercase")
        }
        try self.init(domain: domain, remainder: remainder)
    }

    private init(domain: String, remainder: Substring) throws(OCIError) {
        let invalid = OCIError("invalid reference format")
        var rest = remainder
        var digest: Digest?
        if let at = rest.firstIndex(of: "@") {
            digest = try Self.digest(rest[rest.index(after: at)...])
            rest = rest[..<at]
        }
        var tag: String?
        if let colon = rest.lastIndex(of: ":") {
            tag = String(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
        }
        if let tag { guard Self.isTag(tag) else { throw invalid } }
        var domain = domain
        var path = String(rest)
        guard Self.isPath(path) else { throw invalid }
        if !Self.isDomain(domain) {
            // Docker's grammar makes the domain optional: what is none may still begin a path.
            path = domain + "/" + path
            domain = ""
            guard Self.isPath(path) else { throw invalid }
        }
        guard path.utf8.count <= Self.maximumPathLength else {
            throw OCIError("repository name must not be more than \(Self.maximumPathLength) characters")
        }
        self.init(domain: domain, path: path, tag: tag, digest: digest)
    }

    private init(domain: String, path: String, tag: String?, digest: Digest?) {
        self.domain = domain
        self.path = path
        self.tag = tag
        self.digest = digest
    }

    /// The repository with its registry: `docker.io/library/x`.
    public var name: String { domain.isEmpty ? path : domain + "/" + path }

    /// The repository as Docker shows it: `x`.
    public var familiarName: String {
        guard domain == Self.defaultDomain else { return name }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 2 && parts[0] == "library" ? String(parts[1]) : path
    }

    /// The reference as Docker shows it: `x:latest`, `x@sha256:...`.
    public var familiar: String { familiarName + suffix }

    /// The whole reference: `docker.io/library/x:latest`.
    public var description: String { name + suffix }

    private var suffix: String { (tag.map { ":" + $0 } ?? "") + (digest.map { "@\($0)" } ?? "") }

    public var isNameOnly: Bool { tag == nil && digest == nil }

    /// With the tag `latest` where there is neither tag nor digest.
    public var tagged: ImageReference { isNameOnly ? with(tag: Self.defaultTag) : self }

    /// The same repository with a digest alone.
    public func with(digest: Digest) -> ImageReference {
        ImageReference(domain: domain, path: path, tag: nil, digest: digest)
    }

    func with(tag: String) -> ImageReference {
        ImageReference(domain: domain, path: path, tag: tag, digest: nil)
    }

    private static func splitDomain(_ text: String) -> (domain: String, remainder: Substring) {
        guard let slash = text.firstIndex(of: "/") else { return (defaultDomain, "library/" + text) }
        let first = String(text[..<slash])
        let rest = text[text.index(after: slash)...]
        var domain = defaultDomain
        var remainder = text[...]
        if first == "localhost" || first.contains(".") || first.contains(":") || first.lowercased() != first {
            domain = first == "index.docker.io" ? defaultDomain : first
            remainder = rest
        }
        if domain == defaultDomain, !remainder.contains("/") { remainder = "library/" + remainder }
        return (domain, remainder)
    }
}

// The grammar of distribution/reference, without regular expressions.
extension ImageReference {
    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    private static func isLower(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool { isLower(byte | 0x20) }
    private static func isHex(_ byte: UInt8) -> Bool { isDigit(byte) || (0x61...0x66).contains(byte | 0x20) }

    /// A word character, then word characters, `.` and `-`.
    static func isTag(_ text: String) -> Bool {
        func isWord(_ byte: UInt8) -> Bool { isLetter(byte) || isDigit(byte) || byte == UInt8(ascii: "_") }
        guard let first = text.utf8.first, isWord(first), text.utf8.count <= maximumTagLength else { return false }
        return text.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
    }

    static func isPath(_ text: String) -> Bool {
        text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy { component in
            isPathComponent(Array(component))
        }
    }

    /// Lower-case letters and digits, with `.`, `_`, `__` or any number of `-` between them.
    private static func isPathComponent(_ bytes: [UInt8]) -> Bool {
        func isAlphanumeric(_ byte: UInt8) -> Bool { isLower(byte) || isDigit(byte) }
        guard let first = bytes.first, let last = bytes.last, isAlphanumeric(first), isAlphanumeric(last) else {
            return false
        }
        return bytes.split(whereSeparator: isAlphanumeric).allSatisfy { separator in
            let text = String(decoding: separator, as: UTF8.self)
            return [".", "_", "__"].contains(text) || text.utf8.allSatisfy { $0 == UInt8(ascii: "-") }
        }
    }

    /// A host name or an address, an IPv6 address in brackets, and perhaps a port.
    static func isDomain(_ text: String) -> Bool {
        var host = text[...]
        if let colon = text.lastIndex(of: ":"), !text[colon...].contains("]") {
            let port = text[text.index(after: colon)...]
            guard !port.isEmpty, port.utf8.allSatisfy(isDigit) else { return false }
            host = text[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            let address = host.dropFirst().dropLast()
            return !address.isEmpty && address.utf8.allSatisfy { isHex($0) || $0 == UInt8(ascii: ":") }
        }
        return host.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { part in
            guard let first = part.first, let last = part.last, first != UInt8(ascii: "-"), last != UInt8(ascii: "-")
            else { return false }
            return part.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
        }
    }

    private static func digest(_ text: Substring) throws(OCIError) -> Digest {
        if let digest = Digest(parsing: text) { return digest }
        guard let colon = text.firstIndex(of: ":"), text[..<colon].utf8.first.map(isLetter) == true,
            text[..<colon].utf8.allSatisfy({ isLetter($0) || isDigit($0) || [0x2d, 0x5f, 0x2b, 0x2e].contains($0) }),
            case let hex = text[text.index(after: colon)...], hex.utf8.count >= 32, hex.utf8.allSatisfy(isHex)
        else { throw OCIError("invalid reference format") }
        guard text[..<colon] == "sha256" else { throw OCIError("unsupported digest algorithm") }
        throw OCIError(
            hex.utf8.count == 64 ? "invalid checksum digest format" : "invalid checksum digest length")
    }
}
