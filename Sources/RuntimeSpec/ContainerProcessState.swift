/// What goes to `linux.seccomp.listenerPath` beside the descriptors it names (config-linux.md: The Container Process
/// State).
public struct ContainerProcessState: Hashable, Sendable, Codable {
    public var ociVersion: String
    /// What each descriptor is, in the order of the message that carries them.
    public var fds: [String]
    /// Of the process that the filter is in force for, in the runtime's PID namespace.
    public var pid: Int32
    /// `listenerMetadata` as it was configured.
    public var metadata: String?
    public var state: ContainerState

    /// The name of the descriptor of a filter's notifications.
    public static let seccompDescriptor = "seccompFd"

    public init(
        fds: [String] = [seccompDescriptor], pid: Int32, metadata: String?, state: ContainerState,
        ociVersion: String = RuntimeConfiguration.version
    ) {
        self.ociVersion = ociVersion
        self.fds = fds
        self.pid = pid
        self.metadata = metadata
        self.state = state
    }
}
