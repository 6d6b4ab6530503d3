import ClusterModel
import EngineModel
import ImageStore
import JSON
import Logging
import OCI
import SessionModel
import Values

/// Gets images that this host does not have from hosts that do, blob by blob and by digest.
actor ImageFetcher {
    private let store: ImageStore
    private let access: any ClusterAccess
    private let logger: Logger
    /// Fetches under way: several tasks of one image wait for one.
    private var underway: [String: Task<Void, any Error>] = [:]

    init(store: ImageStore, access: any ClusterAccess, logger: Logger) {
        self.store = store
        self.access = access
        self.logger = logger
    }

    /// Returns when the store has the image; throws Docker's "No such image" where no host has it.
    func ensure(_ reference: String, from peers: [PeerAddress], except own: String) async throws {
        if (try? store.image(reference)) != nil { return }
        if let running = underway[reference] { return try await running.value }
        let task = Task { try await self.fetch(reference, from: peers.filter { $0.nodeID != own }) }
        underway[reference] = task
        defer { underway[reference] = nil }
        try await task.value
    }

    private func fetch(_ reference: String, from peers: [PeerAddress]) async throws {
        let question = try JSONCoding.encode(ImageQuestion(reference: reference))
        var failure: any Error = EngineError(.notFound, "No such image: \(reference)")
        // Managers first: what a tag means is their word before a worker's.
        for peer in peers.shuffled().sorted(by: { $0.isManager && !$1.isManager }) {
            do {
                let answer = try await access.call(HostMethods.image, question, node: peer)
                let offer = try JSONCoding.decode(ImageOffer.self, from: answer)
                guard let digest = offer.digest, let manifest = offer.manifest else { continue }
                try await fetch(reference, digest, Array(manifest.utf8), names: offer.references, from: peer)
                logger.info(
                    "an image was fetched from a peer", metadata: ["image": "\(reference)", "peer": "\(peer.nodeID)"])
                return
            } catch {
                logger.warning(
                    "an image cannot be fetched from a peer",
                    metadata: ["image": "\(reference)", "peer": "\(peer.nodeID)", "reason": "\(error)"])
                if (error as? EngineError)?.kind != .unavailable { failure = error }
            }
        }
        throw failure
    }

    private func fetch(
        _ reference: String, _ digest: Digest, _ bytes: [UInt8], names: [String], from peer: PeerAddress
    ) async throws {
        let manifest = try ImageManifest(parsing: bytes)
        let transfer = store.transfer()
        if !transfer.contains(digest) {
            let blob = try transfer.begin(digest, size: Int64(bytes.count))
            try await blob.append(bytes)
            try await blob.commit()
        }
        for descriptor in [manifest.configuration] + manifest.layers where !transfer.contains(descriptor.digest) {
            let blob = try transfer.begin(descriptor.digest, size: descriptor.size)
            try await access.fetchBlob(descriptor.digest, offset: 0, node: peer) { try await blob.append($0) }
            try await blob.commit()
        }
        // Only the name that was asked for, with the tag under which people know it: a peer's other names are its own.
        let tag = reference.firstIndex(of: "@").map { String(reference[..<$0]) }
        let isFree = tag.map { (try? store.image($0)) == nil } ?? false
        var wanted = [reference]
        if let tag, isFree, names.contains(tag) { wanted.append(tag) }
        _ = try await transfer.adopt(manifest: digest, references: wanted)
    }
}
