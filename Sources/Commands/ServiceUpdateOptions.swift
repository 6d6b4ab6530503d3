import ArgumentParser
import JSON

/// The flags of `service update` alone.
struct ServiceUpdateOptions: ParsableArguments {
    @Option(help: "The image.") var image: String?
    @Option(parsing: .unconditional, help: "The command's words, as one line.") var args: String?
    @Flag(help: "Replace the tasks even if nothing changed.") var force = false
    @Flag(name: .customLong("rollback"), help: "Go back to the previous specification.") var isRollback = false

    @Option(name: .customLong("env-add"), parsing: .unconditionalSingleValue) var environmentAdded: [String] = []
    @Option(name: .customLong("env-rm"), parsing: .unconditionalSingleValue) var environmentRemoved: [String] = []
    @Option(name: .customLong("label-add"), parsing: .unconditionalSingleValue) var labelsAdded: [String] = []
    @Option(name: .customLong("label-rm"), parsing: .unconditionalSingleValue) var labelsRemoved: [String] = []
    @Option(name: .customLong("container-label-add"), parsing: .unconditionalSingleValue)
    var containerLabelsAdded: [String] = []
    @Option(name: .customLong("container-label-rm"), parsing: .unconditionalSingleValue)
    var containerLabelsRemoved: [String] = []
    @Option(name: .customLong("constraint-add"), parsing: .unconditionalSingleValue) var constraintsAdded: [String] = []
    @Option(name: .customLong("constraint-rm"), parsing: .unconditionalSingleValue) var constraintsRemoved: [String] =
        []
    @Option(name: .customLong("placement-pref-add"), parsing: .unconditionalSingleValue)
    var preferencesAdded: [String] = []
    @Option(name: .customLong("placement-pref-rm"), parsing: .unconditionalSingleValue)
    var preferencesRemoved: [String] = []
    @Option(name: .customLong("publish-add"), parsing: .unconditionalSingleValue) var portsAdded: [String] = []
    @Option(name: .customLong("publish-rm"), parsing: .unconditionalSingleValue, help: "By the target port.")
    var portsRemoved: [String] = []
    @Option(name: .customLong("network-add"), parsing: .unconditionalSingleValue) var networksAdded: [String] = []
    @Option(name: .customLong("network-rm"), parsing: .unconditionalSingleValue) var networksRemoved: [String] = []
    @Option(name: .customLong("mount-add"), parsing: .unconditionalSingleValue) var mountsAdded: [String] = []
    @Option(name: .customLong("mount-rm"), parsing: .unconditionalSingleValue, help: "By the target.")
    var mountsRemoved: [String] = []
    @Option(name: .customLong("group-add"), parsing: .unconditionalSingleValue) var groupsAdded: [String] = []
    @Option(name: .customLong("group-rm"), parsing: .unconditionalSingleValue) var groupsRemoved: [String] = []
    @Option(name: .customLong("host-add"), parsing: .unconditionalSingleValue) var hostsAdded: [String] = []
    @Option(name: .customLong("host-rm"), parsing: .unconditionalSingleValue) var hostsRemoved: [String] = []
    @Option(name: .customLong("dns-add"), parsing: .unconditionalSingleValue) var dnsAdded: [String] = []
    @Option(name: .customLong("dns-rm"), parsing: .unconditionalSingleValue) var dnsRemoved: [String] = []
    @Option(name: .customLong("dns-search-add"), parsing: .unconditionalSingleValue) var dnsSearchAdded: [String] = []
    @Option(name: .customLong("dns-search-rm"), parsing: .unconditionalSingleValue) var dnsSearchRemoved: [String] = []
    @Option(name: .customLong("dns-option-add"), parsing: .unconditionalSingleValue) var dnsOptionsAdded: [String] = []
    @Option(name: .customLong("dns-option-rm"), parsing: .unconditionalSingleValue)
    var dnsOptionsRemoved: [String] = []
    @Option(name: .customLong("sysctl-add"), parsing: .unconditionalSingleValue) var sysctlsAdded: [String] = []
    @Option(name: .customLong("sysctl-rm"), parsing: .unconditionalSingleValue) var sysctlsRemoved: [String] = []
    @Option(name: .customLong("ulimit-add"), parsing: .unconditionalSingleValue) var ulimitsAdded: [String] = []
    @Option(name: .customLong("ulimit-rm"), parsing: .unconditionalSingleValue) var ulimitsRemoved: [String] = []
}

extension ServiceUpdateOptions {
    /// Lays the flags over a service's specification; `networkID` finds a network's identifier.
    func apply(to spec: inout JSONValue, networkID: (String) async throws -> String) async throws {
        var container = spec.at("TaskTemplate", "ContainerSpec") ?? [:]
        try applyContainer(&container)
        spec.set("TaskTemplate", "ContainerSpec", to: container)
        spec["Labels"] = Self.merged(spec["Labels"], labelsAdded, labelsRemoved) ?? [:]
        try applyPlacement(&spec)
        try applyPorts(&spec)
        if !networksAdded.isEmpty || !networksRemoved.isEmpty {
            var networks = spec.at("TaskTemplate", "Networks")?.array ?? spec.list("Networks")
            var removed: [String] = []
            for name in networksRemoved { removed.append(try await networkID(name)) }
            networks.removeAll { removed.contains($0.text("Target")) || networksRemoved.contains($0.text("Target")) }
            for text in networksAdded {
                var network = try ServiceBody.network(text)
                network["Target"] = .string(try await networkID(network.text("Target")))
                networks.removeAll { $0.text("Target") == network.text("Target") }
                networks.append(network)
            }
            spec["Networks"] = nil
            spec.set("TaskTemplate", "Networks", to: .array(networks.sorted { $0.text("Target") < $1.text("Target") }))
        }
        if force {
            let count = spec.at("TaskTemplate", "ForceUpdate")?.integer ?? 0
            spec.set("TaskTemplate", "ForceUpdate", to: .integer(count + 1))
        }
    }

    private func applyContainer(_ container: inout JSONValue) throws {
        if let image { container["Image"] = .string(image) }
        if let args { container["Args"] = .strings(try ShellWords.split(args, flag: "--args")) }
        container["Labels"] = Self.merged(container["Labels"], containerLabelsAdded, containerLabelsRemoved)
        container["Sysctls"] = Self.merged(container["Sysctls"], sysctlsAdded, sysctlsRemoved)
        let added = try Assignments.environment(environmentAdded, flag: "--env-add")
        let replaced = Set(added.map(Assignments.name)).union(environmentRemoved)
        Self.change(&container, "Env", isConcerned: !added.isEmpty || !environmentRemoved.isEmpty) { list in
            list.filter { !replaced.contains(Assignments.name($0.string ?? "")) } + added.map { .string($0) }
        }
        try Self.change(&container, "Mounts", isConcerned: !mountsAdded.isEmpty || !mountsRemoved.isEmpty) { list in
            let mounts = try mountsAdded.map { try MountFlag.mount($0, flag: "--mount-add") }
            let targets = Set(mounts.map { $0.text("Target") }).union(mountsRemoved)
            return list.filter { !targets.contains($0.text("Target")) } + mounts
        }
        try Self.change(&container, "Ulimits", isConcerned: !ulimitsAdded.isEmpty || !ulimitsRemoved.isEmpty) { list in
            let limits = try ulimitsAdded.map { try ResourceFlags.ulimit($0, flag: "--ulimit-add") }
            let names = Set(limits.map { $0.text("Name") }).union(ulimitsRemoved)
            return list.filter { !names.contains($0.text("Name")) } + limits
        }
        try Self.change(&container, "Hosts", isConcerned: !hostsAdded.isEmpty || !hostsRemoved.isEmpty) { list in
            let lines = try hostsAdded.map { text in
                let (name, address) = try ResourceFlags.host(text, flag: "--host-add")
                return "\(address) \(name)"
            }
            let removed = hostsRemoved.map { Assignments.name($0.replacing(":", with: "=")) }
            let kept = list.filter { line in
                let names = (line.string ?? "").split(separator: " ").dropFirst()
                return !names.contains { removed.contains(String($0)) }
            }
            return kept + lines.map { .string($0) }
        }
        Self.change(&container, "Groups", groupsAdded, groupsRemoved)
        var resolver = container["DNSConfig"] ?? [:]
        Self.change(&resolver, "Nameservers", dnsAdded, dnsRemoved)
        Self.change(&resolver, "Search", dnsSearchAdded, dnsSearchRemoved)
        Self.change(&resolver, "Options", dnsOptionsAdded, dnsOptionsRemoved)
        container["DNSConfig"] = resolver == [:] ? .none : resolver
    }

    private func applyPlacement(_ spec: inout JSONValue) throws {
        guard
            !(constraintsAdded + constraintsRemoved + preferencesAdded + preferencesRemoved).isEmpty
        else { return }
        var placement = spec.at("TaskTemplate", "Placement") ?? [:]
        Self.change(&placement, "Constraints", constraintsAdded, constraintsRemoved)
        try Self.change(
            &placement, "Preferences", isConcerned: !(preferencesAdded + preferencesRemoved).isEmpty
        ) { list in
            let removed = try preferencesRemoved.map { try ServiceBody.preference($0, flag: "--placement-pref-rm") }
            let added = try preferencesAdded.map { try ServiceBody.preference($0, flag: "--placement-pref-add") }
            return list.filter { !removed.contains($0) && !added.contains($0) } + added
        }
        spec.set("TaskTemplate", "Placement", to: placement)
    }

    private func applyPorts(_ spec: inout JSONValue) throws {
        guard !portsAdded.isEmpty || !portsRemoved.isEmpty else { return }
        var ports = spec.at("EndpointSpec", "Ports")?.array ?? []
        for text in portsRemoved {
            let wanted = try PublishFlag.servicePorts(text, flag: "--publish-rm")
            let names = text.contains("=") ? Set(KeyedFields.parse(text).map(\.key)) : ["protocol", "target"]
            ports.removeAll { port in
                wanted.contains { unwanted in
                    unwanted.number("TargetPort") == port.number("TargetPort")
                        && unwanted.text("Protocol") == port.text("Protocol")
                        && (!names.contains("published")
                            || unwanted.number("PublishedPort") == port.number("PublishedPort"))
                }
            }
        }
        for port in try portsAdded.flatMap({ try PublishFlag.servicePorts($0, flag: "--publish-add") }) {
            ports.removeAll { other in
                other.number("TargetPort") == port.number("TargetPort")
                    && other.text("Protocol") == port.text("Protocol")
                    && other.number("PublishedPort") == port.number("PublishedPort")
            }
            ports.append(port)
        }
        spec.set("EndpointSpec", "Ports", to: .array(ports))
    }

    private static func merged(_ value: JSONValue?, _ added: [String], _ removed: [String]) -> JSONValue? {
        guard !added.isEmpty || !removed.isEmpty else { return value }
        var members = value?.object ?? [:]
        for name in removed { members[name] = nil }
        for (name, text) in Assignments.dictionary(added) { members[name] = .string(text) }
        return .object(members)
    }

    private static func change(
        _ value: inout JSONValue, _ member: String, isConcerned: Bool, _ body: ([JSONValue]) throws -> [JSONValue]
    ) rethrows {
        guard isConcerned else { return }
        let list = try body(value.list(member))
        value[member] = list.isEmpty ? .none : .array(list)
    }

    private static func change(_ value: inout JSONValue, _ member: String, _ added: [String], _ removed: [String]) {
        change(&value, member, isConcerned: !added.isEmpty || !removed.isEmpty) { list in
            let kept = list.filter { text in
                !removed.contains(text.string ?? "") && !added.contains(text.string ?? "")
            }
            return kept + added.map { .string($0) }
        }
    }
}
