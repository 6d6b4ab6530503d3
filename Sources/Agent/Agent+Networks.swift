import ClusterModel
import Dataplane
import Engine
import EngineModel
import JSON
import NetworkModel
import SessionModel
import Values

extension Agent: ClusterNetworks {
    public func network(_ reference: String) async throws -> NetworkRecord? {
        let networks = ledger.wanted?.networks ?? []
        let found =
            networks.first { $0.id == reference || $0.spec.name == reference }
            ?? {
                let matches = networks.filter { !reference.isEmpty && $0.id.hasPrefix(reference) }
                return matches.count == 1 ? matches[0] : nil
            }()
        return found.map(Self.record)
    }

    private static func record(_ network: NetworkObject) -> NetworkRecord {
        NetworkRecord(
            id: network.id, name: network.spec.name, createdAt: network.createdAt, driver: "overlay", scope: "swarm",
            subnet: network.subnet, gateway: network.gateway, isInternal: network.spec.isInternal,
            isAttachable: network.spec.isAttachable, isIngress: network.spec.isIngress, labels: network.spec.labels,
            options: network.spec.options, vni: network.vni)
    }

    public func allocate(
        containerID: String, name: String, network: NetworkRecord, address: IPAddress?
    ) async throws -> ClusterAttachment {
        guard let nodeID = ledger.wanted?.nodeID else {
            throw EngineError(.unavailable, "this host is in no cluster yet")
        }
        let question = AttachmentQuestion(
            nodeID: nodeID, networkID: network.id, containerID: containerID,
            names: [name, String(containerID.prefix(12))], address: address)
        let answer = try await access.callLeader(HostMethods.attach, JSONCoding.encode(question))
        let attachment = try JSONCoding.decode(AttachmentObject.self, from: answer)
        guard let mac = MACAddress(derivedFrom: attachment.address.address) else {
            throw EngineError(.internalError, "the manager gave no IPv4 address")
        }
        return ClusterAttachment(
            networkID: network.id, networkName: network.name, address: attachment.address, mac: mac,
            gateway: network.gateway)
    }

    public func release(containerID: String, attachment: ClusterAttachment) async {
        let found = ledger.wanted?.attachments.first {
            $0.containerID == containerID && $0.networkID == attachment.networkID
        }
        guard let found, let payload = try? JSONCoding.encode(found.id) else { return }
        do { _ = try await access.callLeader(HostMethods.detach, payload) } catch {
            logger.warning("a place in a network could not be given back", metadata: ["reason": "\(error)"])
        }
    }

    public func attach(_ sandbox: ClusterSandbox, interface: String, attachment: ClusterAttachment) async throws {
        let address = attachment.address.address
        let isThere = await waitApplied { picture in
            picture.network.networks.contains { network in
                network.id == attachment.networkID && network.endpoints.contains { $0.address == address }
            }
        }
        guard isThere else {
            throw EngineError(.unavailable, "network \(attachment.networkName) did not reach this host in time")
        }
        try await engine.dataplane.connect(
            sandbox: sandbox.id,
            to: OverlayAttachment(
                networkID: attachment.networkID, interface: interface, address: attachment.address,
                mac: attachment.mac))
    }

    public func detach(_ sandbox: ClusterSandbox, interface: String, attachment: ClusterAttachment) async {
        do { try await engine.dataplane.disconnect(sandbox: sandbox.id, interface: interface) } catch {
            logger.warning("an interface could not be removed", metadata: ["reason": "\(error)"])
        }
    }

    public func ready(
        _ sandbox: ClusterSandbox, gatewayInterface: String, hasDefaultRoute: Bool
    ) async throws -> IPAddress? {
        guard let taskID = sandbox.taskID, let picture = ledger.wanted,
            let task = picture.tasks.first(where: { $0.task.id == taskID })?.task,
            let ingress = picture.networks.first(where: { $0.spec.isIngress }),
            let place = task.attachments.first(where: { $0.networkID == ingress.id })
        else { return nil }
        let address = place.address.address
        guard await waitApplied({ $0.network.ingress?.endpoints.contains(address) ?? false }) else {
            throw EngineError(.unavailable, "the gateway of task \(taskID) did not reach this host in time")
        }
        try await engine.dataplane.connectGateway(sandbox: sandbox.id, interface: gatewayInterface, address: address)
        return address
    }

    public func willRemove(_ sandbox: ClusterSandbox) async {}
}
