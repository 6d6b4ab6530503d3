/// A scope around a container's first process, or a slice, that systemd is asked to make.
public struct TransientUnit: Hashable, Sendable {
    public var path: SystemdCgroupPath
    public var description: String
    /// The process that the scope begins with, by its number where systemd lives; nil for a slice.
    public var process: Int32?
    /// The hierarchy that systemd manages.
    public var hierarchy: SystemdHierarchy
    /// Resources, devices and what annotations ask for.
    public var properties: [UnitProperty]

    public init(
        _ path: SystemdCgroupPath, description: String, process: Int32?, hierarchy: SystemdHierarchy,
        properties: [UnitProperty] = []
    ) {
        self.path = path
        self.description = description
        self.process = process
        self.hierarchy = hierarchy
        self.properties = properties
    }

    /// Everything that StartTransientUnit is given. A scope is delegated: its groups are the runtime's, and systemd
    /// neither moves processes in it nor takes groups away. Accounting makes the controllers there from the beginning.
    public var allProperties: [UnitProperty] {
        var all = [UnitProperty("Description", .string(description))]
        if path.isSlice {
            all.append(UnitProperty("Wants", .strings([path.slice])))
        } else {
            all.append(UnitProperty("Slice", .string(path.slice)))
            all.append(UnitProperty("Delegate", .bool(true)))
        }
        if let process {
            all.append(UnitProperty("PIDs", .array(.basic(.uint32), [.uint32(UInt32(bitPattern: process))])))
        }
        let blocks = hierarchy == .unified ? "IOAccounting" : "BlockIOAccounting"
        for name in ["MemoryAccounting", "CPUAccounting", blocks, "TasksAccounting"] {
            all.append(UnitProperty(name, .bool(true)))
        }
        all.append(UnitProperty("DefaultDependencies", .bool(false)))
        return all + properties
    }
}

/// Which control groups systemd puts its units into, and so which of its properties have an effect.
public enum SystemdHierarchy: Hashable, Sendable {
    /// v1's, one for each controller; also beside an empty v2 hierarchy.
    case legacy
    /// v2.
    case unified
}
