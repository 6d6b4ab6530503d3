import TestSupport
import Testing

/// A command line that drives a cluster: the same scenarios run with both.
enum ClusterClient: String, Sendable, CustomTestStringConvertible {
    case docker
    case martlet

    /// Those that this machine has; says so where the docker CLI is missing.
    static let available: [ClusterClient] = {
        if ClusterClient.docker.path == nil { print("skipped: scenarios with the docker CLI, which is not installed") }
        return [.docker, .martlet].filter { $0.path != nil }
    }()

    /// The first one there is, for scenarios that are about the engine alone.
    static let any = available.first ?? .martlet

    var path: String? {
        switch self {
        case .docker: TestEnvironment.command("docker")
        case .martlet: Cluster.program("martlet")
        }
    }

    var testDescription: String { rawValue }
}
