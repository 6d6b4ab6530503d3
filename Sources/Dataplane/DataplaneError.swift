import NetworkModel

/// What the data plane refuses or could not do.
public enum DataplaneError: Error, Hashable, CustomStringConvertible {
    case unknownSandbox(String)
    /// The network is in no plan that was applied.
    case unknownNetwork(String)
    case unknownBridge(String)
    /// The host has no gateway bridge: its plan names no ingress.
    case noGateway
    /// Another sandbox, a service of the cluster or a process of the host has the port.
    case portInUse(PublishedPort)
    case invalid(String)
    /// The kernel refused: what was attempted, and its error.
    case kernel(String)

    public var description: String {
        switch self {
        case .unknownSandbox(let id): "no sandbox \(id)"
        case .unknownNetwork(let id): "network \(id) is not part of this host's plan"
        case .unknownBridge(let name): "no bridge \(name)"
        case .noGateway: "this host has no gateway bridge: it is in no cluster"
        case .portInUse(let port):
            "Bind for \(port.hostAddress?.description ?? "0.0.0.0"):\(port.hostPort) failed: port is already allocated"
        case .invalid(let text): text
        case .kernel(let text): text
        }
    }
}
