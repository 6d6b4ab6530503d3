/// How a lab is made.
public struct LabOptions: Sendable {
    /// Whether `up` forms the swarm as the configuration says.
    public var formsSwarm: Bool
    /// The directory of martletd, martlet-net and martlet-runtime; nil is the running program's own.
    public var programs: String?
    /// What the daemons of all hosts have in their environment beside the usual, as `NAME=value`.
    public var daemonEnvironment: [String]
    /// Told what is being done, a line at a time.
    public var progress: @Sendable (String) -> Void
    /// What runs on each host in place of martletd, for tests of the lab itself.
    var daemon = LabDaemon.martletd

    public init(
        formsSwarm: Bool = true, programs: String? = nil, daemonEnvironment: [String] = [],
        progress: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.formsSwarm = formsSwarm
        self.programs = programs
        self.daemonEnvironment = daemonEnvironment
        self.progress = progress
    }
}
