/// Limits and policy to change on a container; what is nil stays (Engine API: ContainerUpdate).
public struct ContainerUpdate: Hashable, Sendable, Codable {
    public var cpuShares: Int64?
    public var memory: Int64?
    public var memoryReservation: Int64?
    public var memorySwap: Int64?
    public var nanoCpus: Int64?
    public var cpuPeriod: Int64?
    public var cpuQuota: Int64?
    public var cpusetCpus: String?
    public var cpusetMems: String?
    public var pidsLimit: Int64?
    public var restartPolicy: RestartPolicy?

    public init() {}
}
