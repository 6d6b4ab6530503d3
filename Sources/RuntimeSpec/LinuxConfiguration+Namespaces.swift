/// Whose namespace of a kind a container has.
public enum NamespaceChoice: Hashable, Sendable, Codable {
    case new
    case host
    /// The namespace that this file names (namespaces(7)).
    case path(String)
}

extension LinuxConfiguration {
    /// Every kind that a container usually has of its own.
    public static let usualNamespaces = [NamespaceType.pid, .network, .ipc, .uts, .mount, .cgroup].map { Namespace($0) }

    public func choice(_ type: NamespaceType) -> NamespaceChoice {
        guard let namespace = namespace(type) else { return .host }
        guard let path = namespace.path, !path.isEmpty else { return .new }
        return .path(path)
    }

    public mutating func choose(_ type: NamespaceType, _ choice: NamespaceChoice) {
        var list = (namespaces ?? []).filter { $0.type != type }
        switch choice {
        case .new: list.append(Namespace(type))
        case .host: break
        case .path(let path): list.append(Namespace(type, path: path))
        }
        namespaces = list
    }
}
