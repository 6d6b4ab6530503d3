import ClusterModel
import SessionModel

/// What an agent knows of its managers' wishes and what it has to tell them, as a value that outlives sessions.
public struct AgentLedger: Sendable {
    /// The newest picture, at the newest revision that it is known to hold for.
    public private(set) var wanted: HostPicture?
    /// The picture that the data plane holds; nil where that is not certain.
    public private(set) var applied: HostPicture?
    private var isVerificationDue = false
    private var observations: [String: TaskObservation] = [:]
    private var news: [String: TaskObservation] = [:]

    public init() {}

    // MARK: Sessions

    /// What is said first in a new session: all of it, since nobody knows what the last one's end has swallowed.
    public mutating func open(_ hello: AgentHello) -> [AgentMessage] {
        var hello = hello
        hello.known = wanted?.revision
        var messages = [AgentMessage.hello(hello)]
        news = [:]
        if !observations.isEmpty { messages.append(.report(observations.values.sorted { $0.taskID < $1.taskID })) }
        if let applied { messages.append(.receipt(HostReceipt(revision: applied.revision))) }
        return messages
    }

    /// Takes in what the manager says; whether there is work to do.
    public mutating func take(_ message: ManagerMessage) -> Bool {
        switch message {
        case .picture(let picture):
            // A manager that is behind the one before knows nothing better.
            if let wanted, wanted.revision.history == picture.revision.history,
                wanted.revision.index > picture.revision.index
            {
                return false
            }
            wanted = picture
            return true
        case .unchanged(let revision):
            wanted = wanted?.at(revision)
            return wanted != nil
        // Sections were read before: a picture is what they have led to.
        case .section, .turn, .heartbeat: return false
        }
    }

    // MARK: The data plane

    /// What the kernel holds is to be compared with the picture although nothing has changed.
    public mutating func verify() { isVerificationDue = true }

    /// Whether the data plane holds what is wanted, but for the revision's number.
    public var isApplied: Bool {
        guard let wanted, let applied, !isVerificationDue else { return false }
        return applied.at(wanted.revision) == wanted
    }

    /// The data plane was brought to a picture, or could not be.
    public mutating func apply(_ picture: HostPicture, failure: String? = nil) -> AgentMessage {
        applied = failure == nil ? picture : nil
        isVerificationDue = false
        return .receipt(HostReceipt(revision: picture.revision, failure: failure))
    }

    /// Whether the data plane holds what the task's container must find.
    public func holds(_ taskID: String) -> Bool { applied?.tasks.contains { $0.task.id == taskID } ?? false }

    // MARK: Tasks

    /// Notes what became of a task.
    ///
    /// - Returns: whether it is the first of the news that go out together.
    public mutating func observe(_ observation: TaskObservation) -> Bool {
        observations[observation.taskID] = observation
        news[observation.taskID] = observation
        return news.count == 1
    }

    /// All news since the last time: what a task was in between nobody needs to know. Nil where there are none.
    public mutating func report() -> AgentMessage? {
        guard !news.isEmpty else { return nil }
        defer { news = [:] }
        return .report(news.values.sorted { $0.taskID < $1.taskID })
    }

    /// The managers have forgotten the task.
    public mutating func forget(_ taskID: String) {
        observations[taskID] = nil
        news[taskID] = nil
    }
}
