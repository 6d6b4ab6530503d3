import EngineModel

/// What `HostConfig.NetworkMode` says.
enum NetworkMode: Hashable {
    case host
    /// A namespace with a loopback alone, beside what the cluster puts in.
    case none
    /// The namespace of another container.
    case container(String)
    case network(String)

    init(_ text: String) {
        switch text {
        case "host": self = .host
        case "none": self = .none
        case "", "default": self = .network("bridge")
        case _ where text.hasPrefix("container:"): self = .container(String(text.dropFirst(10)))
        default: self = .network(text)
        }
    }
}
