import Containment
import RuntimeProtocol
import RuntimeSpec

/// What is kept of a container between commands, in its state directory.
struct ContainerRecord: Codable {
    static let currentVersion = 1

    var version = currentVersion
    var id: String
    var bundle: String
    var root: String
    var configuration: RuntimeConfiguration
    /// Of its first process, in the runtime's PID namespace.
    var pid: Int32
    /// When that began, in the kernel's ticks since boot: a number is used again by others.
    var startTicks: UInt64
    /// RFC 3339.
    var created: String
    var owner: UInt32
    /// The group, in the hierarchies in which it is.
    var groups: [CgroupDirectory]
    /// Its mounts, where they are in the runtime's own mount namespace.
    var hostMounts: HostMounts?
    /// The unit that systemd made for it.
    var unit: String?
    /// Whether `unit` belongs to the user's systemd.
    var isUserUnit = false
}
