import CLinux
import Containment
import JSON
import RuntimeSpec
import Seccomp

/// `features`: what this runtime can do (OCI runtime-spec, features.md).
enum FeaturesCommand {
    private struct Features: Encodable {
        var ociVersionMin = "1.0.0"
        var ociVersionMax = RuntimeConfiguration.version
        var hooks = RuntimeConfiguration.Hooks().all.map(\.name)
        var mountOptions = MountWords.names
        var linux = Linux()
        var annotations = ["org.martlet.runtime.version": RuntimeProgram.version]
        var potentiallyUnsafeConfigAnnotations: [String] = []
    }

    private struct Linux: Encodable {
        var namespaces = LinuxConfiguration.NamespaceType.allCases.map(\.rawValue).sorted()
        var capabilities = Capability.names.map { "CAP_" + $0 }
        var cgroup = ["v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true]
        var seccomp = SeccompFeatures()
        var apparmor = ["enabled": true]
        var selinux = ["enabled": true]
        var intelRdt = ["enabled": false]
        var mountExtensions = ["idmap": ["enabled": true]]
    }

    private struct SeccompFeatures: Encodable {
        var enabled = true
        var actions = SeccompConfiguration.Action.allCases.map(\.rawValue)
        var operators = SeccompConfiguration.Operator.allCases.map(\.rawValue)
        var archs = SeccompFilter.architectureNames
        var knownFlags = SeccompConfiguration.flagNames
        var supportedFlags = SeccompConfiguration.flagNames
    }

    static func print() throws {
        Swift.print(String(decoding: try JSONCoding.encode(Features()), as: UTF8.self))
    }
}
