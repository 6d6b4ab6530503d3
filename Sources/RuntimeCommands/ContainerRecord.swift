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
    /// In a file of its own, as the bundle had it: to write it anew takes longer than all the rest.
    var configuration: RuntimeConfiguration
    /// Of its first process, in the runtime's PID namespace; 0 before there is one.
    var pid: Int32 = 0
    /// When that began, in the kernel's ticks since boot: a number is used again by others.
    var startTicks: UInt64 = 0
    /// RFC 3339.
    var created: String
    var owner: UInt32
    /// The group, in the hierarchies in which it is or will be.
    var groups: [CgroupDirectory] = []
    /// Whether the group is made; until then there may be another's in its place.
    var hasGroups = false
    /// Its mounts, where they are in the runtime's own mount namespace.
    var hostMounts: HostMounts?
    /// The unit that systemd made for it.
    var unit: String?
    /// Whether `unit` belongs to the user's systemd.
    var isUserUnit = false

    private enum CodingKeys: CodingKey {
        case version, id, bundle, root, pid, startTicks, created, owner, groups, hasGroups, hostMounts, unit
        case isUserUnit
    }

    init(id: String, bundle: Bundle, created: String, owner: UInt32) {
        self.id = id
        self.bundle = bundle.path
        root = bundle.root
        configuration = bundle.configuration
        self.created = created
        self.owner = owner
    }

    init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        version = try members.decode(Int.self, forKey: .version)
        id = try members.decode(String.self, forKey: .id)
        bundle = try members.decode(String.self, forKey: .bundle)
        root = try members.decode(String.self, forKey: .root)
        configuration = RuntimeConfiguration()
        pid = try members.decode(Int32.self, forKey: .pid)
        startTicks = try members.decode(UInt64.self, forKey: .startTicks)
        created = try members.decode(String.self, forKey: .created)
        owner = try members.decode(UInt32.self, forKey: .owner)
        groups = try members.decode([CgroupDirectory].self, forKey: .groups)
        hasGroups = try members.decode(Bool.self, forKey: .hasGroups)
        hostMounts = try members.decodeIfPresent(HostMounts.self, forKey: .hostMounts)
        unit = try members.decodeIfPresent(String.self, forKey: .unit)
        isUserUnit = try members.decode(Bool.self, forKey: .isUserUnit)
    }
}
