/// What a run is made of.
public struct ChaosOptions: Sendable {
    public var seed: UInt64
    public var duration: Duration
    public var managers: Int
    public var clients: Int
    /// The directory of martletd and its companions; nil is the running program's own.
    public var programs: String?
    /// The lab's name.
    public var lab: String
    /// The second number of the lab's IPv4 subnet, 10.N.0.0/24.
    public var subnet: UInt8
    /// Where histories, logs and data are kept if a promise is broken.
    public var keep: String
    /// Told what happens, a line at a time.
    public var progress: @Sendable (String) -> Void

    public init(
        seed: UInt64, duration: Duration, managers: Int = 5, clients: Int = 10, programs: String? = nil,
        lab: String = "chaos", subnet: UInt8 = 76, keep: String, progress: @escaping @Sendable (String) -> Void
    ) {
        self.seed = seed
        self.duration = duration
        self.managers = managers
        self.clients = clients
        self.programs = programs
        self.lab = lab
        self.subnet = subnet
        self.keep = keep
        self.progress = progress
    }
}

/// What became of a run.
public struct ChaosOutcome: Sendable {
    /// In words, a line each; none where every promise was kept.
    public var violations: [String] = []
    public var summary: [String] = []
    /// Changes that were acknowledged, and reads.
    public var acknowledged = 0
    public var reads = 0
    public var faults = 0
}
