import Cgroups
import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeSpec
import SystemdUnits

/// `update`: other limits for a container that is there.
struct UpdateCommand {
    private let context: RuntimeContext
    private let id: String

    /// The longest document that is read, in bytes.
    private static let limit = 1 << 20

    init(_ context: RuntimeContext, _ id: String) {
        self.context = context
        self.id = id
    }

    func update(_ options: UpdateOptions) throws {
        var change = LinuxResources()
        if let file = options.file { change = try Self.read(file) }
        change = change.merged(with: options.resources)
        let lock = try context.store.lock(id)
        var container = try context.container(id)
        guard container.status != .stopped else { throw SetupError("container \(id) is not running") }
        let stored = container.record.configuration.linux?.resources ?? LinuxResources()
        let complete = stored.completing(change)
        // What can be told beforehand is told while nothing has been changed.
        try Self.naming { () throws(ResourceError) in _ = try GroupPlan(complete, on: container.group.layout) }
        do {
            try apply(complete, container)
            var linux = container.record.configuration.linux ?? LinuxConfiguration()
            linux.resources = stored.merged(with: change)
            container.record.configuration.linux = linux
            try context.store.save(
                container.record, configuration: JSONCoding.encode(container.record.configuration))
        } catch {
            do {
                try apply(Self.previous(stored, change), container)
            } catch {
                context.log.warning("limits from before the update are not in force: \(SetupError(error).reason)")
            }
            throw error
        }
        _ = consume lock
    }

    private static func naming(_ body: () throws(ResourceError) -> Void) throws {
        do {
            try body()
        } catch {
            throw ContainerGroups.refusal(error)
        }
    }

    /// The kernel may refuse a value after others are in force.
    private func apply(_ resources: LinuxResources, _ container: StoredContainer) throws {
        try Self.naming { () throws(ResourceError) in try container.group.apply(resources) }
        if let unit = container.record.unit { try tell(unit, resources, container) }
    }

    /// What was in force before a change, by what is stored. A limit that is not stored was none, shares were the
    /// kernel's own; what else is not stored stays as it is.
    private static func previous(_ stored: LinuxResources, _ change: LinuxResources) -> LinuxResources {
        var previous = stored
        previous.devices = nil
        previous.memory?.checkBeforeUpdate = nil
        if change.pids?.limit != nil {
            var pids = previous.pids ?? LinuxResources.PIDs()
            pids.limit = pids.limit ?? -1
            previous.pids = pids
        }
        if let given = change.memory {
            var memory = previous.memory ?? LinuxResources.Memory()
            if given.limit != nil { memory.limit = memory.limit ?? -1 }
            if given.swap != nil { memory.swap = memory.swap ?? -1 }
            previous.memory = memory
        }
        if let given = change.cpu {
            var cpu = previous.cpu ?? LinuxResources.CPU()
            if given.quota != nil { cpu.quota = cpu.quota ?? -1 }
            if given.shares != nil { cpu.shares = cpu.shares ?? 1024 }
            previous.cpu = cpu
        }
        return previous
    }

    private static func read(_ file: String) throws -> LinuxResources {
        do {
            let text = try file == "-" ? Bytes.readToEnd(0, limit: limit) : Files.read(file, limit: limit)
            return try LinuxResources(parsing: text)
        } catch {
            throw SetupError("\(file == "-" ? "standard input" : file): \(error)")
        }
    }

    /// systemd writes its own limits again when it is reloaded.
    private func tell(_ unit: String, _ resources: LinuxResources, _ container: StoredContainer) throws {
        var manager = try SystemdManager(container.record.isUserUnit ? .user : .system)
        let properties = ResourceProperties(
            hierarchy: try ControlGroups().isUnifiedOnly ? .unified : .legacy, version: try manager.version(),
            weight: GroupPlan.weight(shares:))
        try manager.set(properties.properties(resources), of: unit)
    }
}
