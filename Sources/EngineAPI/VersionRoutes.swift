import ClusterManager
import ClusterModel
import EngineModel
import JSON

/// `/martlet/versions`: the cluster's version and its managers'.
struct VersionRoutes: Sendable {
    let cluster: ControlPlane?

    func register(_ router: inout Router) {
        router.on("GET", "martlet/versions") { _ in
            .json(Self.shape(try await ClusterAccess.required(cluster).versionReport()))
        }
    }

    static func shape(_ report: VersionReport) -> JSONValue {
        var shape: JSONValue = [
            "ClusterVersion": .integer(Int64(report.version.number)),
            "Managers": .array(
                report.managers.map { manager in
                    var shape: JSONValue = [
                        "NodeID": .string(manager.nodeID), "Hostname": .string(manager.hostname),
                        "Answered": .bool(manager.versions != nil),
                    ]
                    guard let versions = manager.versions else { return shape }
                    shape["Program"] = .string(versions.program)
                    shape["Lowest"] = .integer(Int64(versions.supported.lowest.number))
                    shape["Highest"] = .integer(Int64(versions.supported.highest.number))
                    return shape
                }),
        ]
        switch report.decision {
        case .settled: break
        case .raise(let version): shape["Next"] = .integer(Int64(version.number))
        case .wait(let version, let nodes):
            shape["Next"] = .integer(Int64(version.number))
            shape["WaitsFor"] = .array(nodes.map { .string($0) })
        }
        return shape
    }
}
