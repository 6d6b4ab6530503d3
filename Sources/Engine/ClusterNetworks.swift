import EngineModel
import Values

/// The cluster's overlay networks as an engine needs them; set by the agent (`Engine.setClusterNetworks`).
///
/// The engine makes and removes the container's sandbox (network namespace); the implementation puts interfaces into
/// it.
public protocol ClusterNetworks: Sendable {
    /// The overlay network of that name, identifier or unique prefix of one; nil where there is none.
    func network(_ reference: String) async throws -> NetworkRecord?

    /// Gives a plain container a place in an attachable network; a manager is asked. `address` is the client's wish.
    func allocate(
        containerID: String, name: String, network: NetworkRecord, address: IPAddress?
    ) async throws -> ClusterAttachment

    /// Gives a place of `allocate` back, when the container has stopped or was disconnected.
    func release(containerID: String, attachment: ClusterAttachment) async

    /// Puts the interface into the sandbox; the same once more changes nothing.
    func attach(_ sandbox: ClusterSandbox, interface: String, attachment: ClusterAttachment) async throws

    /// Takes the interface out of a sandbox that stays.
    func detach(_ sandbox: ClusterSandbox, interface: String, attachment: ClusterAttachment) async

    /// All attachments of the sandbox are made: the last step before its first process runs. Here the agent connects it
    /// to the gateway bridge, and waits for the maps that the container must find.
    ///
    /// - Parameters:
    ///   - gatewayInterface: the first free interface name.
    ///   - hasDefaultRoute: whether a bridge network of the host is the way out already.
    /// - Returns: the sandbox's address on the gateway bridge, to which ports published on this host alone lead.
    func ready(
        _ sandbox: ClusterSandbox, gatewayInterface: String, hasDefaultRoute: Bool
    ) async throws -> IPAddress?

    /// The sandbox of a container with cluster attachments is about to go.
    func willRemove(_ sandbox: ClusterSandbox) async
}

/// A container's network namespace, as the cluster's networks see it.
public struct ClusterSandbox: Hashable, Sendable {
    /// The sandbox's name in the data plane: the container's identifier.
    public var id: String
    public var path: String
    public var containerName: String
    /// The cluster's task that the container carries out; nil for a plain container.
    public var taskID: String?
    /// The container's cluster attachments, all of them.
    public var attachments: [ClusterAttachment]
}
