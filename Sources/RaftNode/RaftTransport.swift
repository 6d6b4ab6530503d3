import RaftCore

/// Carries messages between members. Losing them is allowed, reordering those to one member is better avoided.
public protocol RaftTransport: Sendable {
    /// Sends without waiting and without answering; called on the node's own thread, so it must only queue. A queue
    /// that is full drops. Each message travels as `message.encoded()` and is handed to the other side's
    /// `RaftNode.step`.
    /// A message has at most `RaftMessage.byteLimit` bytes.
    func send(_ messages: [RaftMessage], to member: RaftMember)
}
