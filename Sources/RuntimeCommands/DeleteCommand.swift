import CLinux
import Cgroups
import Containment
import Glibc
import LinuxSystem
import RuntimeSpec

/// `delete`: removes what a container that has stopped left (runtime.md: Delete).
struct DeleteCommand {
    private let context: RuntimeContext
    private let id: String

    /// How long a killed process may take to be gone, nanoseconds.
    private static let patience: Int64 = 10_000_000_000

    init(_ context: RuntimeContext, _ id: String) {
        self.context = context
        self.id = id
    }

    func delete(force: Bool) throws {
        if force, !Files.exists(context.store.directory(id)) { return }
        let lock = try context.store.lock(id)
        if context.store.isBeingCreated(id) {
            try deleteCreation(force: force)
            _ = consume lock
            return
        }
        let container = try context.container(id)
        let status = container.status
        switch status {
        case .stopped: break
        case .created: try end(container)
        case .running, .paused, .creating:
            guard force else {
                throw SetupError("cannot delete container \(id) that is not stopped: \(status.rawValue)")
            }
            try end(container)
        }
        try destroy(container)
        _ = consume lock
    }

    /// A creation that goes on undoes itself once its first process has ended; what one that was killed left is taken
    /// away here.
    private func deleteCreation(force: Bool) throws {
        let container = force ? try? context.container(id) : try context.container(id)
        if let container {
            let status = container.status
            guard force || status == .stopped else {
                throw SetupError("cannot delete container \(id) that is not stopped: \(status.rawValue)")
            }
            if status != .stopped { try end(container) }
        }
        let deadline = Clock.sinceBoot() + Self.patience
        while context.store.hasCreator(id) {
            guard force, Clock.sinceBoot() < deadline else {
                throw SetupError("container \(id) is still being created")
            }
            usleep(1000)
        }
        if let record = context.store.creation(id) {
            let group = ControlGroup(directories: record.groups)
            if !record.hasGroups {
                try removeEmpty(group, deadline)
            } else if !ContainerGroups.remove(group, unit: record.unit, isUserUnit: record.isUserUnit) {
                throw SetupError("the control group of container \(id) cannot be removed: processes are left in it")
            }
            try record.hostMounts?.remove()
        } else if let configuration = try? context.store.configuration(id) {
            // The group may have been made, but nothing was in it yet.
            if let group = ContainerGroups.planned(id, configuration.linux) { try removeEmpty(group, deadline) }
        }
        try context.store.release(id)
    }

    /// The first process, which nobody has noted, ends when it sees that its runtime has.
    private func removeEmpty(_ group: ControlGroup, _ deadline: Int64) throws {
        while true {
            group.removeEmpty()
            if !group.directories.contains(where: { Files.exists($0.path) }) { return }
            guard Clock.sinceBoot() < deadline else {
                throw SetupError("the control group of container \(id) cannot be removed: processes are left in it")
            }
            usleep(1000)
        }
    }

    /// Kills the first process and waits for its end.
    private func end(_ container: StoredContainer) throws {
        guard let process = try? container.openProcess() else { return }
        _ = cl_pidfd_send_signal(process.rawValue, SIGKILL)
        if container.record.configuration.linux?.choice(.pid) != .new { container.group.killAll() }
        if container.group.isFrozen { try? container.group.setFrozen(false) }
        let deadline = Clock.sinceBoot() + Self.patience
        // A pidfd is readable when its process has ended, a zombie too.
        while Clock.sinceBoot() < deadline {
            var entry = pollfd(fd: process.rawValue, events: Int16(POLLIN), revents: 0)
            if poll(&entry, 1, 100) > 0 { return }
        }
        throw SetupError("container \(id) is still running \(Self.patience / 1_000_000_000) s after it was killed")
    }

    /// Removes the group, runs the last hooks and forgets the container.
    func destroy(_ container: StoredContainer) throws {
        let record = container.record
        guard ContainerGroups.remove(container.group, unit: record.unit, isUserUnit: record.isUserUnit) else {
            throw SetupError("the control group of container \(id) cannot be removed: processes are left in it")
        }
        try record.hostMounts?.remove()
        try context.store.release(id)
        context.runHooks(record.configuration.hooks?.poststop, "poststop", container.state(.stopped))
    }
}
