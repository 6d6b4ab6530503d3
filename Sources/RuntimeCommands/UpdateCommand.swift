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
        do {
            try container.group.apply(complete)
        } catch {
            throw ContainerGroups.refusal(error)
        }
        if let unit = container.record.unit { try tell(unit, complete, container) }
        var linux = container.record.configuration.linux ?? LinuxConfiguration()
        linux.resources = stored.merged(with: change)
        container.record.configuration.linux = linux
        try context.store.save(
            container.record, configuration: JSONCoding.encode(container.record.configuration))
        _ = consume lock
    }

    private static func read(_ file: String) throws -> LinuxResources {
        do {
            let text = try file == "-" ? Bytes.readToEnd(0, limit: limit) : Files.read(file, limit: limit)
            return try JSONCoding.decode(LinuxResources.self, from: text)
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
