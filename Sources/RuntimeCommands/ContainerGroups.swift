import CLinux
import Cgroups
import Containment
import Glibc
import LinuxSystem
import RuntimeSpec
import SystemdUnits

/// The control group of a new container: made in the file system, or by systemd.
///
/// What there is of v2 comes before the first process, which begins in it; the rest while that one mounts.
struct ContainerGroups {
    /// What is made already.
    private(set) var group: ControlGroup
    /// What is to be made.
    private(set) var planned: ControlGroup
    private(set) var unit: String?
    let isUserUnit: Bool
    private let settings: RuntimeSettings
    /// Whether hierarchies in which there can be no group are left out.
    private let isOptional: Bool
    /// Keeps systemd's scope until the container's own process is in it.
    private var holder: pid_t?

    /// Says what there will be, and has systemd make it where that is to; nothing of it stays where this throws.
    ///
    /// - Parameter annotations: of the configuration; some are properties of systemd's unit.
    init(
        _ context: RuntimeContext, id: String, _ linux: LinuxConfiguration, annotations: [String: String]?
    ) throws {
        settings = context.settings
        isUserUnit = geteuid() != 0 || context.isInUserNamespace
        let groups = try ControlGroups()
        isOptional = context.isRootless
        group = ControlGroup(directories: [])
        planned = group
        guard settings.usesSystemd else {
            do {
                planned = try groups.group(forPath: linux.cgroupsPath, id: id)
            } catch {
                throw SetupError("linux.cgroupsPath: \(error)")
            }
            return
        }
        try startUnit(groups, id: id, linux, AnnotationProperties.properties(annotations ?? [:]))
        planned = group
    }

    /// What there is to be without systemd; nil where the configuration allows none.
    static func planned(_ id: String, _ linux: LinuxConfiguration?) -> ControlGroup? {
        try? ControlGroups().group(forPath: linux?.cgroupsPath, id: id)
    }

    /// Makes what is planned in v2, or in v1.
    mutating func make(isUnified: Bool) throws {
        let missing = planned.part(isUnified: isUnified)
        if unit != nil || missing.directories.isEmpty && !planned.directories.isEmpty { return }
        do {
            let made = try missing.createEmpty(isOptional: isOptional)
            group = ControlGroup(directories: group.directories + made.directories)
        } catch {
            throw SetupError("linux.cgroupsPath: \(error)")
        }
    }

    /// systemd makes a scope around a process: one that waits, until the container's own is in it.
    private mutating func startUnit(
        _ groups: ControlGroups, id: String, _ linux: LinuxConfiguration, _ properties: [UnitProperty]
    ) throws {
        let scope: SystemdScope = isUserUnit ? .user : .system
        let path: SystemdCgroupPath
        do {
            path = try SystemdCgroupPath(cgroupsPath: linux.cgroupsPath, identifier: id, scope: scope)
        } catch {
            throw SetupError("linux.cgroupsPath: \(error)")
        }
        let holder = try checked("clone", on: "scope", cl_clone_process(0, -1, nil))
        if holder == 0 {
            _ = cl_prctl(1, UInt(SIGKILL), 0, 0, 0)
            _ = cl_close_range(0, .max, 0)
            while true { pause() }
        }
        self.holder = holder
        do {
            try startUnit(path, holder, scope, groups, id, linux, properties)
        } catch {
            endHolder()
            throw error
        }
    }

    /// Into a scope of the user's own systemd the kernel lets nobody but systemd move a process that comes from outside
    /// of what is the user's, such as a session's (cgroups(7), "Delegation Containment").
    var mover: ((pid_t) throws -> Void)? {
        guard let unit, isUserUnit, geteuid() != 0 else { return nil }
        return { pid in
            var manager = try SystemdManager(.user)
            try manager.attach([pid], to: unit)
        }
    }

    /// The scope has the container's own process by now.
    mutating func endHolder() {
        guard let pid = holder else { return }
        holder = nil
        kill(pid, SIGKILL)
        _ = try? ChildProcess.wait(pid)
    }

    private mutating func startUnit(
        _ path: SystemdCgroupPath, _ holder: pid_t, _ scope: SystemdScope, _ groups: ControlGroups, _ id: String,
        _ linux: LinuxConfiguration, _ properties: [UnitProperty]
    ) throws {
        var manager = try SystemdManager(scope)
        let resources = ResourceProperties(
            hierarchy: groups.isUnifiedOnly ? .unified : .legacy, version: try manager.version(),
            weight: GroupPlan.weight(shares:))
        let unit = TransientUnit(
            path, description: "martlet-runtime container \(id)", process: holder,
            hierarchy: groups.isUnifiedOnly ? .unified : .legacy,
            properties: try properties + resources.properties(linux.resources ?? LinuxResources())
                + DeviceProperties.properties((linux.resources?.devices ?? []) + LinuxResources.DeviceRule.defaults))
        try manager.start(unit)
        self.unit = path.unit
        do {
            let place = try manager.controlGroup(path)
            group = try groups.group(forPath: place, id: id)
            try group.create()
        } catch {
            try? manager.stop(path.unit)
            throw error
        }
    }

    /// Puts limits in force.
    ///
    /// - Throws: also where there is a limit but no group, since this user may make none.
    func limit(_ resources: LinuxResources?) throws {
        try FaultPoint.limits.reached()
        do {
            try group.apply(resources ?? LinuxResources())
        } catch {
            guard group.directories.isEmpty, error.errno == ENOTSUP else { throw Self.refusal(error) }
            throw SetupError("\(error.member): there is no control group that this user may make")
        }
    }

    /// Puts the rules of devices in force: before there is a process, since v1's controller refuses everything for a
    /// moment.
    func restrictDevices(_ resources: LinuxResources?, _ context: RuntimeContext) throws {
        try FaultPoint.devices.reached()
        if group.directories.isEmpty { return }
        let resources = resources ?? LinuxResources()
        do {
            try group.restrictDevices((resources.devices ?? []) + LinuxResources.DeviceRule.defaults)
        } catch {
            // Devices of the host are out of an ordinary user's reach anyway.
            if !context.isRootless { throw Self.refusal(error) }
        }
    }

    /// What the kernel was not even asked for is told apart from what it refuses.
    static func refusal(_ error: ResourceError) -> SetupError {
        SetupError(error.cause == nil ? "invalid configuration: \(error)" : "\(error)")
    }

    /// Takes the group away, with whatever is left in it.
    mutating func undo() {
        endHolder()
        Self.remove(group, unit: unit, isUserUnit: isUserUnit)
    }

    /// Kills what is left in a group and takes it away; false where that does not succeed in time.
    @discardableResult static func remove(_ group: ControlGroup, unit: String?, isUserUnit: Bool) -> Bool {
        let isGone = group.removeWithProcesses(reapsChildren: true)
        if let unit, var manager = try? SystemdManager(isUserUnit ? .user : .system) { try? manager.stop(unit) }
        return isGone
    }
}
