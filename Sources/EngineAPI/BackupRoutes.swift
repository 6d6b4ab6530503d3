import ClusterManager
import ClusterStore
import EngineModel
import HTTPMessages
import JSON
import Values

/// `/martlet/backup`, `/martlet/restore`, `/martlet/recovery` and `/martlet/keys`.
struct BackupRoutes: Sendable {
    /// Carries a passphrase as base64 of its bytes; never logged.
    static let passphraseHeader = "x-martlet-passphrase"
    /// The longest passphrase, in bytes.
    static let passphraseByteLimit = 1024

    let cluster: ControlPlane?

    private func access() throws(EngineError) -> ControlPlane { try ClusterAccess.required(cluster) }

    func register(_ router: inout Router) {
        router.on("POST", "martlet/backup") { request in
            let passphrase = try Self.passphrase(request)
            let backup = try await access().prepareBackup()
            var response = APIResponse.stream(contentType: "application/octet-stream") { writer in
                try await DescriptorStream.writing(to: writer) { descriptor in
                    try await backup.write(to: descriptor, passphrase: passphrase)
                }
            }
            response.headers["Martlet-Cluster"] = backup.manifest.clusterID
            response.headers["Martlet-Revision"] = String(backup.manifest.revision)
            return response
        }
        router.on("POST", "martlet/restore") { request in
            var wish = RestoreRequest()
            wish.listenAddr = request.text("listenAddr") ?? ""
            wish.advertiseAddr = request.text("advertiseAddr") ?? ""
            wish.passphrase = try Self.passphrase(request)
            let cluster = try access()
            let manifest = try await DescriptorStream.reading(request.body) { [wish] descriptor in
                try await cluster.restore(from: descriptor, wish)
            }
            return .json([
                "ClusterID": .string(manifest.clusterID), "Revision": .integer(Int64(clamping: manifest.revision)),
                "Time": .string(manifest.time.description), "WrittenAt": .string(manifest.writtenAt.description),
                "NodeID": .string(manifest.nodeID),
            ])
        }
        router.on("POST", "martlet/keys/rotate") { _ in
            .json(["KeyID": .string(try await access().rotateDataKeys())])
        }
        router.on("GET", "martlet/recovery") { _ in .json(Self.report(try await access().recoveryReport())) }
        router.on("POST", "martlet/recovery") { request in
            let id = try await access().recover(
                advertiseAddr: request.text("advertiseAddr") ?? "", listenAddr: request.text("listenAddr") ?? "")
            return .json(["NodeID": .string(id)])
        }
    }

    private static func passphrase(_ request: APIRequest) throws(EngineError) -> [UInt8]? {
        guard let text = request.head.headers[passphraseHeader] else { return nil }
        guard let bytes = Base64.decode(text), !bytes.isEmpty, bytes.count <= passphraseByteLimit else {
            throw EngineError(
                .invalidParameter, "the passphrase is base64 of 1 to \(passphraseByteLimit) bytes")
        }
        return bytes
    }

    private static func report(_ report: RecoveryReport) -> JSONValue {
        [
            "NodeID": .string(report.nodeID), "LastIndex": .integer(Int64(clamping: report.lastIndex)),
            "CommittedIndex": .integer(Int64(clamping: report.committedIndex)),
            "Term": .integer(Int64(clamping: report.term)), "Time": .string(report.time.description),
            "StartedAt": .string(report.startedAt.description), "HasLeader": .bool(report.hasLeader),
            "Managers": .array(
                report.managers.map { manager in
                    [
                        "NodeID": .string(manager.nodeID), "Hostname": .string(manager.hostname),
                        "Address": .string(manager.address),
                        "LastHeard": manager.lastHeard.map { .string($0.description) } ?? .null,
                        "Reachable": .bool(manager.isReachable),
                    ]
                }),
        ]
    }
}
