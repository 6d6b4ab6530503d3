import Containment
import RuntimeProtocol

/// What a container that is being created has outside of its state directory: all that `delete --force` has to go by
/// where the creation was killed.
struct CreationRecord: Codable {
    var groups: [CgroupDirectory]
    var unit: String?
    var isUserUnit: Bool
    var hostMounts: HostMounts?
}
