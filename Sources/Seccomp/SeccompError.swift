/// Why a configuration is no filter: the member's path in `config.json`, and the reason.
public struct SeccompError: Error, Hashable, CustomStringConvertible {
    public let path: String
    public let reason: String

    init(_ path: String, _ reason: String) {
        self.path = path
        self.reason = reason
    }

    public var description: String { "\(path): \(reason)" }
}
