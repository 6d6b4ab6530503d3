import EngineModel

/// The versions of the Engine API that are served.
enum APIVersion {
    /// The minor parts of the newest and the oldest.
    static let newest = 51
    static let oldest = 24

    static let text = "1.\(newest)"
    static let oldestText = "1.\(oldest)"

    /// Takes the version off a path; a path without one means the newest. Docker's refusal for one that is not served.
    static func split(_ path: [String]) throws(EngineError) -> (minor: Int, path: [String]) {
        guard let first = path.first, first.hasPrefix("v"), let version = parse(first.dropFirst()) else {
            return (newest, path)
        }
        let text = first.dropFirst()
        if version.major > 1 || version.major == 1 && version.minor > newest {
            throw EngineError(
                .invalidParameter,
                "client version \(text) is too new. Maximum supported API version is \(Self.text)")
        }
        if version.major < 1 || version.minor < oldest {
            throw EngineError(
                .invalidParameter,
                "client version \(text) is too old. Minimum supported API version is \(oldestText), please upgrade "
                    + "your client to a newer version")
        }
        return (version.minor, Array(path.dropFirst()))
    }

    private static func parse(_ text: Substring) -> (major: Int, minor: Int)? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let major = Int(parts[0]), let minor = Int(parts[1])
        else { return nil }
        return (major, minor)
    }
}
