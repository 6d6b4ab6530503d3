import AgentModel
import ClusterModel
import SessionModel
import Values

/// A host that runs tasks: its agent's ledger, and containers that outlive its daemon but not a loss of power.
final class SimulatedAgent {
    /// A task's container.
    struct Container {
        var assigned: AssignedTask
        var status: TaskStatus
        var isReady = false
        var attempts = TaskAttempts()
        /// It has ended, and managers are not told: another attempt follows.
        var hasEnded = false
        /// Something about it happens later, and nothing else meanwhile.
        var isBusy = false
    }

    /// A connection to a manager, as its client sees it.
    struct Connection {
        var manager: UInt64
        var number: Int
        var lastHeard: Milliseconds
        /// The manager has accepted it.
        var isSession = false
    }

    let id: String
    /// On the network.
    let endpoint: UInt64
    /// Some have a program that takes whole pictures alone.
    let takesSections: Bool
    var isUp = true
    var life = 0
    var ledger = AgentLedger()
    var reader = PictureReader()
    /// What its kernel is known to hold: it outlives the daemon, not the power.
    var held: HostPicture?
    var connection: Connection?
    var lastConnection = 0
    /// Who is said to lead; 0 where nobody is.
    var leader: UInt64 = 0
    var containers: [String: Container] = [:]
    var counter: UInt64 = 0
    var isApplying = false

    init(id: String, endpoint: UInt64) {
        self.id = id
        self.endpoint = endpoint
        takesSections = endpoint % 4 != 3
    }

    var hasSession: Bool { connection?.isSession ?? false }

    var hello: AgentHello {
        AgentHello(
            description: NodeDescription(
                hostname: id, platform: .init(architecture: "x86_64"),
                resources: .init(nanoCPUs: 4_000_000_000, memoryBytes: 1 << 33), engine: .init(engineVersion: "1")),
            bootID: "boot-\(life)")
    }

    /// Notes a container's state; the observation that is to be reported.
    func tell(_ taskID: String, _ state: TaskState, isReady: Bool, at time: Timestamp) -> TaskObservation? {
        guard var container = containers[taskID] else { return nil }
        if container.status.state != state { container.status = TaskStatus(timestamp: time, state: state, message: "") }
        container.isReady = isReady
        containers[taskID] = container
        return observation(of: taskID)
    }

    func observation(of taskID: String) -> TaskObservation? {
        guard let container = containers[taskID] else { return nil }
        counter += 1
        return TaskObservation(
            taskID: taskID, nodeID: id, status: container.status, isReady: container.isReady,
            readinessCounter: counter)
    }
}
