import Values

/// A reference to content by digest (OCI image-spec: descriptor).
public struct ContentDescriptor: Hashable, Sendable, Codable {
    public var mediaType: MediaType
    public var digest: Digest
    /// In bytes.
    public var size: Int64
    public var platform: Platform?
    public var annotations: [String: String]?

    public init(
        mediaType: MediaType, digest: Digest, size: Int64, platform: Platform? = nil,
        annotations: [String: String]? = nil
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.platform = platform
        self.annotations = annotations
    }

    /// The image's whole name, as containerd and Docker 25 write it into an index.
    public static let imageNameAnnotation = "io.containerd.image.name"
    /// A tag or a whole name (OCI image-spec: annotations).
    public static let referenceNameAnnotation = "org.opencontainers.image.ref.name"

    /// True for documents about an image that are no image, such as BuildKit's attestations.
    public var isAttestation: Bool {
        annotations?["vnd.docker.reference.type"] == "attestation-manifest" || platform?.os == "unknown"
    }
}

/// What an image runs on (OCI image-spec: image index, platform).
public struct Platform: Hashable, Sendable, Codable, CustomStringConvertible {
    public var architecture: String
    public var os: String
    public var variant: String?

    public init(architecture: String, os: String = "linux", variant: String? = nil) {
        self.architecture = architecture
        self.os = os
        self.variant = variant
    }

    /// The platform of a Linux machine by the name that uname(2) gives.
    public init(machine: String) {
        let names = [
            "x86_64": "amd64", "aarch64": "arm64", "i686": "386", "i386": "386", "armv7l": "arm", "armv6l": "arm",
            "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64",
        ]
        self.init(
            architecture: names[machine] ?? machine, variant: ["armv7l": "v7", "armv6l": "v6"][machine] ?? nil)
    }

    /// Reads `linux/arm64/v8`, `linux/amd64`, `arm64` or `linux`, as containerd's platform specifiers.
    ///
    /// - Parameter host: what a missing architecture means.
    public init(parsing text: String, host: Platform) throws(OCIError) {
        let parts = text.lowercased().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let isPlain = parts.allSatisfy { part in
            !part.isEmpty
                && part.utf8.allSatisfy {
                    (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f
                        || $0 == 0x2d || $0 == 0x2e
                }
        }
        guard isPlain, (1...3).contains(parts.count) else {
            throw OCIError("\"\(text)\": cannot parse platform specifier: invalid argument")
        }
        if parts.count > 1 {
            self.init(
                architecture: Self.architecture(parts[1]), os: parts[0], variant: parts.count == 3 ? parts[2] : nil)
        } else if ["linux", "windows", "darwin", "freebsd"].contains(parts[0]) {
            self.init(architecture: host.architecture, os: parts[0], variant: host.variant)
        } else if Self.architectures.contains(Self.architecture(parts[0])) {
            self.init(architecture: Self.architecture(parts[0]))
        } else {
            throw OCIError("\"\(text)\": unknown operating system or architecture: invalid argument")
        }
    }

    private static let architectures: Set<String> = [
        "386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x",
    ]

    private static func architecture(_ name: String) -> String {
        ["x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "armhf": "arm"][name] ?? name
    }

    /// Whether an image for `other` runs here.
    public func runs(_ other: Platform) -> Bool {
        guard os == other.os, architecture == other.architecture else { return false }
        guard let wanted = other.variant, let variant else { return true }
        return wanted <= variant
    }

    public var description: String { "\(os)/\(architecture)" + (variant.map { "/" + $0 } ?? "") }
}
