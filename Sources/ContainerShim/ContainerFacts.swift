import RuntimeProtocol

/// What a shim needs of a specification once the container has been made.
struct ContainerFacts: Hashable, Codable {
    var id: String
    var hasTerminal: Bool
    var hasInput: Bool
    /// Whether the input ends when the first client that was attached to it leaves.
    var closesInputAfterFirstClient: Bool
    /// Whether its processes end with the first one, as those of a PID namespace do.
    var endsWithFirstProcess: Bool
    var log: LogSettings

    init(_ specification: ContainerSpecification) {
        id = specification.id
        hasTerminal = specification.process.hasTerminal
        hasInput = specification.process.hasInput
        closesInputAfterFirstClient = specification.process.closesInputAfterFirstClient
        endsWithFirstProcess = specification.linux.choice(.pid) == .new
        log = specification.log
    }
}
