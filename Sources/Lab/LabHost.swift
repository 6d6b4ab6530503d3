import Values

/// A host of a lab as it is now.
public struct LabHost: Hashable, Sendable {
    public enum Status: String, Hashable, Sendable {
        /// The host and its daemon run.
        case running
        /// The host runs, its daemon does not.
        case stopped
        /// Every process of the host is held.
        case frozen
        /// The host is off.
        case off
    }

    public let lab: String
    public let name: String
    public let role: LabConfiguration.Role
    public let address: IPAddress
    public let address6: IPAddress
    public let status: Status
    /// The path of the engine's API socket as seen on this machine.
    public let socketPath: String
    /// The daemon's process on this machine; nil where it does not run.
    public let daemonPID: Int32?
}
