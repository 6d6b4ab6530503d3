/// What `state` prints (OCI runtime-spec, runtime.md: State), and what hooks read.
public struct ContainerState: Hashable, Sendable, Codable {
    public var ociVersion: String
    public var id: String
    public var status: Status
    /// Of the container's first process, in the caller's PID namespace; 0 where it has ended.
    public var pid: Int32?
    public var bundle: String
    public var annotations: [String: String]?

    public init(
        id: String, status: Status, pid: Int32?, bundle: String, annotations: [String: String]?,
        ociVersion: String = RuntimeConfiguration.version
    ) {
        self.ociVersion = ociVersion
        self.id = id
        self.status = status
        self.pid = pid
        self.bundle = bundle
        self.annotations = annotations
    }

    public enum Status: String, Hashable, Sendable, Codable {
        case creating, created, running, paused, stopped
    }
}
