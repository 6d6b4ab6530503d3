/// Where a host's data plane lives.
public struct DataplaneConfiguration: Sendable {
    /// Namespaces are kept at `netns/` beneath it.
    public var runDirectory: String
    /// The host's network namespace; nil for the one that the process is in.
    public var hostNamespace: String?

    public init(runDirectory: String, hostNamespace: String? = nil) {
        self.runDirectory = runDirectory
        self.hostNamespace = hostNamespace
    }
}
