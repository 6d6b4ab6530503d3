import TestSupport
import Testing

/// A command line that drives a cluster: the same scenarios run with both.
enum ClusterClient: String, Sendable, CustomTestStringConvertible {
    case docker
    case martlet

    /// Those that this machine has; says so where the docker CLI is missing.
    static let available: [ClusterClient] = {
        if ClusterClient.docker.path == nil {
            print("skipped: scenarios with the docker CLI, which is not there: scripts/setup --tests gets it")
        }
        return [.docker, .martlet].filter { $0.path != nil }
    }()

    /// The first one there is, for scenarios that are about the engine alone.
    static let any = available.first ?? .martlet

    var path: String? {
        switch self {
        case .docker: DockerCLI.installed?.path
        case .martlet: Cluster.program("martlet")
        }
    }

    /// Whether it speaks API version 1.`minor`; an old docker CLI has the output say what it lacks.
    func speaks(_ minor: Int, orElse lack: String) -> Bool {
        self == .martlet || DockerCLI.installed?.speaks(minor, orElse: lack) == true
    }

    var testDescription: String { rawValue }
}
