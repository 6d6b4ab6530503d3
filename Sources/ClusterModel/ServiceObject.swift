import JSON
import Values

/// How far an update has come (Engine API: Service, UpdateStatus).
public struct UpdateStatus: Hashable, Sendable, Codable {
    public enum State: String, Sendable, Codable {
        case updating, paused, completed
        case rollbackStarted = "rollback_started"
        case rollbackPaused = "rollback_paused"
        case rollbackCompleted = "rollback_completed"
    }

    public var state: State
    public var startedAt: Timestamp?
    public var completedAt: Timestamp?
    public var message: String

    public init(state: State, startedAt: Timestamp?, completedAt: Timestamp? = nil, message: String) {
        self.state = state
        self.startedAt = startedAt
        self.completedAt = completedAt
        self.message = message
    }
}

/// A service's address on one network (Engine API: Service, Endpoint, VirtualIPs).
public struct VirtualAddress: Hashable, Sendable, Codable {
    public var networkID: String
    /// With the network's prefix length.
    public var addr: CIDR

    public init(networkID: String, addr: CIDR) {
        self.networkID = networkID
        self.addr = addr
    }
}

/// How a service is reached, as allocated (Engine API: Service, Endpoint).
public struct ServiceEndpoint: Hashable, Sendable, Codable {
    public var spec: EndpointSpec
    public var ports: [PortConfiguration]
    public var virtualIPs: [VirtualAddress]

    public init(spec: EndpointSpec = EndpointSpec(), ports: [PortConfiguration] = [], virtualIPs: [VirtualAddress] = [])
    {
        self.spec = spec
        self.ports = ports
        self.virtualIPs = virtualIPs
    }
}

/// A service (Engine API: Service).
public struct ServiceObject: Hashable, Sendable, Codable {
    public let id: String
    public var version = ObjectVersion.none
    public var createdAt: Timestamp
    public var updatedAt: Timestamp
    public var spec: ServiceSpec
    /// The specification as the client wrote it: fields that this version does not know survive in it.
    public var document: JSONValue
    public var previousSpec: ServiceSpec?
    public var previousDocument: JSONValue?
    public var endpoint: ServiceEndpoint
    public var updateStatus: UpdateStatus?
    /// The version of the task template; a task made from another one is replaced.
    public var specVersion: UInt64
    /// The version that `previousSpec` had; a rollback goes back to it, so that tasks which still have it stay.
    public var previousSpecVersion: UInt64
    /// The largest version given so far.
    public var latestSpecVersion: UInt64

    public init(
        id: String, createdAt: Timestamp, spec: ServiceSpec, document: JSONValue, endpoint: ServiceEndpoint
    ) {
        self.id = id
        self.createdAt = createdAt
        updatedAt = createdAt
        self.spec = spec
        self.document = document
        self.endpoint = endpoint
        specVersion = 1
        previousSpecVersion = 0
        latestSpecVersion = 1
    }
}

extension ServiceObject {
    /// Takes over another specification: new tasks where the change concerns them, an update that begins.
    public mutating func update(to spec: ServiceSpec, document: JSONValue, at time: Timestamp) {
        let concernsTasks = Self.taskPart(of: spec) != Self.taskPart(of: self.spec)
        previousSpec = self.spec
        previousDocument = self.document
        previousSpecVersion = specVersion
        self.spec = spec
        self.document = document
        // What was under way, or paused, goes on for the new number of tasks.
        switch updateStatus?.state {
        case .updating, .paused, .rollbackStarted, .rollbackPaused:
            updateStatus = UpdateStatus(state: .updating, startedAt: time, message: "update in progress")
        case .completed, .rollbackCompleted, nil: updateStatus = nil
        }
        if concernsTasks {
            latestSpecVersion += 1
            specVersion = latestSpecVersion
            updateStatus = UpdateStatus(state: .updating, startedAt: time, message: "update in progress")
        }
    }

    /// Goes back to the specification before the last update; false where there is none.
    public mutating func rollBack(message: String, at time: Timestamp) -> Bool {
        guard let previous = previousSpec, let document = previousDocument else { return false }
        spec = previous
        self.document = document
        specVersion = previousSpecVersion
        previousSpec = nil
        previousDocument = nil
        updateStatus = UpdateStatus(state: .rollbackStarted, startedAt: time, message: message)
        return true
    }

    /// What a running task cannot take over: its template, its networks, its ports on the host, whether it has a place
    /// behind the ingress.
    private static func taskPart(of spec: ServiceSpec) -> TaskPart {
        TaskPart(
            template: spec.taskTemplate, networks: spec.allNetworks, hostPorts: spec.ports.filter { !$0.isIngress },
            hasIngress: spec.ports.contains(where: \.isIngress) || !spec.allNetworks.isEmpty)
    }

    private struct TaskPart: Equatable {
        var template: TaskTemplate
        var networks: [NetworkAttachmentConfiguration]
        var hostPorts: [PortConfiguration]
        var hasIngress: Bool
    }
}
