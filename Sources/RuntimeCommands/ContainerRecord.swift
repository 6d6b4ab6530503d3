import Containment
import JSON
import RuntimeProtocol
import RuntimeSpec

/// What is kept of a container between commands, in its state directory.
struct ContainerRecord {
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

    init(id: String, bundle: Bundle, created: String, owner: UInt32) {
        self.id = id
        self.bundle = bundle.path
        root = bundle.root
        configuration = bundle.configuration
        self.created = created
        self.owner = owner
    }

    /// All but the configuration.
    var json: JSONValue {
        get throws {
            var value: JSONValue = [
                "version": .integer(Int64(version)), "id": .string(id), "bundle": .string(bundle),
                "root": .string(root),
                "pid": .integer(Int64(pid)), "startTicks": .unsigned(startTicks), "created": .string(created),
                "owner": .integer(Int64(owner)), "hasGroups": .bool(hasGroups), "isUserUnit": .bool(isUserUnit),
            ]
            value["groups"] = .array(
                groups.map { group in
                    [
                        "controllers": .array(group.controllers.map { .string($0) }), "base": .string(group.base),
                        "name": .string(group.name),
                    ]
                })
            if let unit { value["unit"] = .string(unit) }
            if let hostMounts { value["hostMounts"] = try JSONCoding.verbatim.value(of: hostMounts) }
            return value
        }
    }
}

extension ContainerRecord: JSONReadable {
    init(_ members: JSONMembers) throws(JSONError) {
        version = try members.needed("version", members.number("version"))
        id = try members.needed("id", members.text("id"))
        bundle = try members.needed("bundle", members.text("bundle"))
        root = try members.needed("root", members.text("root"))
        configuration = RuntimeConfiguration()
        pid = try members.needed("pid", members.number("pid"))
        startTicks = try members.needed("startTicks", members.number("startTicks"))
        created = try members.needed("created", members.text("created"))
        owner = try members.needed("owner", members.number("owner"))
        let groups: [Group] = try members.needed("groups", members.objects("groups"))
        self.groups = groups.map(\.directory)
        hasGroups = try members.needed("hasGroups", members.flag("hasGroups"))
        hostMounts = try members.members["hostMounts"].map { value throws(JSONError) in
            try JSONCoding.verbatim.decode(HostMounts.self, from: value)
        }
        unit = try members.text("unit")
        isUserUnit = try members.needed("isUserUnit", members.flag("isUserUnit"))
    }

    private struct Group: JSONReadable {
        var directory: CgroupDirectory

        init(_ members: JSONMembers) throws(JSONError) {
            directory = CgroupDirectory(
                controllers: try members.needed("controllers", members.texts("controllers")),
                base: try members.needed("base", members.text("base")),
                name: try members.needed("name", members.text("name")))
        }
    }
}
