/// What stands for the state machine on a witness: commands pass it, snapshots are only their place in the log.
public final class NoStateMachine: RaftStateMachine {
    public init() {}

    public var hasState: Bool { false }
    public var appliedIndex: UInt64 { 0 }
    public func apply(_ commands: [CommittedCommand]) -> [[UInt8]] { commands.map { _ in [] } }
    public func writeSnapshot(to path: String) -> UInt64? { nil }
    public func installation(of path: String, index: UInt64) -> () throws -> Void { {} }
}
