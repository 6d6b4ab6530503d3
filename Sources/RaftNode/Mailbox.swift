import LinuxSystem
import RaftCore

/// What the node's thread has to look at, in the order of arrival. Bounded: see the limits.
final class Mailbox: Sendable {
    /// Messages from other members that wait; later ones are lost, as on a bad network.
    static let messageLimit = 4_096
    /// Their bytes together.
    static let messageByteLimit = 64 << 20
    /// Calls that wait.
    static let requestLimit = 16_384

    private struct Contents {
        var events: [Event] = []
        var messageCount = 0
        var messageBytes = 0
        var closedBecause: String?

        mutating func takeAll() -> [Event] {
            defer {
                events = []
                messageCount = 0
                messageBytes = 0
            }
            return events
        }
    }

    private let contents = Monitor(Contents())

    /// Puts an event in; the reason where it cannot be taken any more.
    func post(_ event: Event) -> RaftError? {
        contents.change { contents in
            if let reason = contents.closedBecause { return .stopped(reason) }
            if event.isRequest, contents.events.count - contents.messageCount >= Self.requestLimit {
                return .tooManyProposals
            }
            contents.events.append(event)
            return nil
        }
    }

    /// Puts a message in, or drops it where too many wait.
    func post(_ message: RaftMessage, from nodeID: String, byteCount: Int) {
        contents.change { contents in
            guard contents.closedBecause == nil, contents.messageCount < Self.messageLimit,
                contents.messageBytes + byteCount <= Self.messageByteLimit
            else { return }
            contents.messageCount += 1
            contents.messageBytes += byteCount
            contents.events.append(.message(message, from: nodeID))
        }
    }

    /// Takes out everything, having waited for something until `deadline` (nanoseconds since boot).
    func take(until deadline: Int64) -> [Event] {
        contents.wait(until: deadline, { !$0.events.isEmpty }, then: { $0.takeAll() })
    }

    /// Refuses whatever comes from now on; what is in already.
    func close(because reason: String) -> [Event] {
        contents.change { contents in
            contents.closedBecause = contents.closedBecause ?? reason
            return contents.takeAll()
        }
    }
}
