import Glibc
import RuntimeSpec

/// What is to be written for `linux.resources`, in order (OCI runtime-spec, config-linux.md: Control groups).
///
/// Where the specification leaves it open this follows runc: zero asks for nothing where it cannot be meant, limits of
/// kernel memory are ignored. What v2 cannot do is an error, as in crun. Devices are another matter:
/// `ControlGroup.restrictDevices`.
public struct GroupPlan: Hashable, Sendable {
    public private(set) var checks: [UsageCheck] = []
    public private(set) var writes: [GroupWrite] = []
    let layout: GroupLayout

    /// - Throws: the first member that this machine cannot do or that can never be; nothing is written then.
    public init(_ resources: LinuxResources, on layout: GroupLayout) throws(ResourceError) {
        self.layout = layout
        try addPIDs(resources.pids)
        if let memory = resources.memory { try addMemory(memory) }
        if let cpu = resources.cpu { try addProcessor(cpu) }
        if let blockIO = resources.blockIO { try addBlockIO(blockIO) }
        try addHugepages(resources.hugepageLimits ?? [])
        if let network = resources.network { try addNetwork(network) }
        try addRDMA(resources.rdma ?? [:])
        try addUnified(resources.unified ?? [:])
    }

    /// Which hierarchy a member's file belongs to.
    enum Home: Hashable {
        case legacy(String)
        case unified

        var controller: String? {
            guard case .legacy(let name) = self else { return nil }
            return name
        }
    }

    mutating func add(
        _ home: Home, _ file: String, _ text: String, absence: GroupWrite.Absence = .fails, isRepeated: Bool = false,
        _ member: String
    ) {
        writes.append(
            GroupWrite(home.controller, file, text, absence: absence, isRepeated: isRepeated, member: member))
    }

    mutating func addCheck(_ limit: Int64, _ member: String) {
        checks.append(UsageCheck(file: "memory.current", limit: limit, member: member))
    }

    /// The hierarchy that has the controller; v2's name of it where that is another.
    func home(_ controller: String, unified name: String? = nil, _ member: String) throws(ResourceError) -> Home {
        if layout.legacy.contains(controller) { return .legacy(controller) }
        let name = name ?? controller
        if layout.unified?.contains(name) == true { return .unified }
        throw Self.missing(layout.isUnifiedOnly ? name : controller, member)
    }

    /// For what v1 alone can do.
    func legacyHome(
        _ controller: String, unified name: String? = nil, _ member: String
    ) throws(ResourceError) -> Home {
        if layout.legacy.contains(controller) { return .legacy(controller) }
        if layout.isUnifiedOnly || layout.unified?.contains(name ?? controller) == true {
            throw ResourceError(member, "cgroup v2 has none", errno: ENOTSUP)
        }
        throw Self.missing(controller, member)
    }

    static func missing(_ controller: String, _ member: String) -> ResourceError {
        ResourceError(member, "no cgroup controller \(controller) for this group", errno: ENOTSUP)
    }

    func check(_ isFine: Bool, _ member: String, _ reason: @autoclosure () -> String) throws(ResourceError) {
        if !isFine { throw ResourceError(member, reason(), errno: EINVAL) }
    }
}
