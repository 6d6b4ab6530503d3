import LinuxSystem
import RuntimeProtocol

extension ProcessSpecification {
    /// A limit that this process raised for itself is not the container's: programs that close every descriptor they
    /// might have would take long. What was asked for stays.
    mutating func limitOpenFiles() {
        let type = "RLIMIT_NOFILE"
        guard let limit = OpenFileLimit.original,
            configuration.rlimits?.contains(where: { $0.type == type }) != true
        else { return }
        configuration.rlimits = (configuration.rlimits ?? []) + [.init(type: type, soft: limit.soft, hard: limit.hard)]
    }
}
