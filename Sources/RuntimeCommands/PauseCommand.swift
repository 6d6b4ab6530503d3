import Cgroups
import Containment
import LinuxSystem
import RuntimeSpec

/// `pause` and `resume`: every process of a container stands still, and goes on.
struct PauseCommand {
    private let context: RuntimeContext
    private let id: String

    init(_ context: RuntimeContext, _ id: String) {
        self.context = context
        self.id = id
    }

    func pause() throws {
        let container = try context.container(id)
        try container.requireRunning(or: .created)
        try container.group.setFrozen(true)
    }

    func resume() throws {
        let container = try context.container(id)
        guard container.status == .paused else { throw SetupError("container \(id) is not paused") }
        try container.group.setFrozen(false)
    }
}
