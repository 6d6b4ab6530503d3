import ArgumentParser
import EngineClient
import JSON

/// The flags of `service create` alone.
struct ServiceCreateOptions: ParsableArguments {
    @Option(help: "The service's name.") var name: String?
    @Option(help: "replicated, global, replicated-job or global-job.") var mode = "replicated"
    @Option(
        name: [.customShort("e", allowingJoined: true), .customLong("env")], parsing: .unconditionalSingleValue,
        help: "An environment variable, NAME=VALUE.")
    var environment: [String] = []
    @Option(name: .customLong("env-file"), parsing: .unconditionalSingleValue, help: "A file of environment variables.")
    var environmentFiles: [String] = []
    @Option(
        name: [.customShort("l"), .customLong("label")], parsing: .unconditionalSingleValue,
        help: "A label of the service.")
    var labels: [String] = []
    @Option(name: .customLong("container-label"), parsing: .unconditionalSingleValue, help: "A label of containers.")
    var containerLabels: [String] = []
    @Option(
        name: .customLong("constraint"), parsing: .unconditionalSingleValue, help: "node.role==worker and the like.")
    var constraints: [String] = []
    @Option(name: .customLong("placement-pref"), parsing: .unconditionalSingleValue, help: "spread=node.labels.NAME.")
    var preferences: [String] = []
    @Option(
        name: [.customShort("p", allowingJoined: true), .long], parsing: .unconditionalSingleValue,
        help: "A port: [published:]target[/protocol], or published=...,target=...,mode=host.")
    var publish: [String] = []
    @Option(name: .customLong("network"), parsing: .unconditionalSingleValue, help: "A network of the tasks.")
    var networks: [String] = []
    @Option(name: .customLong("mount"), parsing: .unconditionalSingleValue, help: "type=...,source=...,target=...")
    var mounts: [String] = []
    @Option(name: .customLong("group"), parsing: .unconditionalSingleValue, help: "A further group.")
    var groups: [String] = []
    @Option(parsing: .unconditionalSingleValue, help: "A DNS server.") var dns: [String] = []
    @Option(name: .customLong("dns-search"), parsing: .unconditionalSingleValue, help: "A DNS search domain.")
    var dnsSearch: [String] = []
    @Option(name: .customLong("dns-option"), parsing: .unconditionalSingleValue, help: "An option of the resolver.")
    var dnsOptions: [String] = []
    @Option(name: .customLong("host"), parsing: .unconditionalSingleValue, help: "A line of /etc/hosts, name:address.")
    var hosts: [String] = []
    @Option(parsing: .unconditionalSingleValue, help: "A kernel parameter, name=value.") var sysctl: [String] = []
    @Option(parsing: .unconditionalSingleValue, help: "A process limit, name=soft[:hard].") var ulimit: [String] = []

    /// Engine API: ServiceSpec.
    func body(_ options: ServiceOptions, image: String, arguments: [String]) throws -> JSONValue {
        var container: JSONValue = ["Image": .string(image)]
        func add(_ name: String, _ texts: [String]) { if !texts.isEmpty { container[name] = .strings(texts) } }
        add("Args", arguments)
        add("Env", try Assignments.environment(environment, files: environmentFiles))
        add("Groups", groups)
        add(
            "Hosts",
            try hosts.map { text in
                let (name, address) = try ResourceFlags.host(text, flag: "--host")
                return "\(address) \(name)"
            })
        if !containerLabels.isEmpty { container["Labels"] = .texts(Assignments.dictionary(containerLabels)) }
        if !mounts.isEmpty { container["Mounts"] = .array(try mounts.map { try MountFlag.mount($0) }) }
        if !sysctl.isEmpty { container["Sysctls"] = .texts(Assignments.dictionary(sysctl)) }
        if !ulimit.isEmpty { container["Ulimits"] = .array(try ulimit.map { try ResourceFlags.ulimit($0) }) }
        for (name, texts) in [("Nameservers", dns), ("Search", dnsSearch), ("Options", dnsOptions)] where !texts.isEmpty
        {
            container.set("DNSConfig", name, to: .strings(texts))
        }
        var spec: JSONValue = [
            "Name": .string(name ?? ""), "Labels": .texts(Assignments.dictionary(labels)),
            "TaskTemplate": ["ContainerSpec": container, "ForceUpdate": 0],
            "Mode": try ServiceBody.mode(mode, options), "EndpointSpec": ["Mode": "vip"],
        ]
        if !constraints.isEmpty { spec.set("TaskTemplate", "Placement", "Constraints", to: .strings(constraints)) }
        if !preferences.isEmpty {
            spec.set(
                "TaskTemplate", "Placement", "Preferences",
                to: .array(try preferences.map { try ServiceBody.preference($0) }))
        }
        if !networks.isEmpty {
            spec.set("TaskTemplate", "Networks", to: .array(try networks.map(ServiceBody.network)))
        }
        let ports = try publish.flatMap { try PublishFlag.servicePorts($0) }
        if !ports.isEmpty { spec.set("EndpointSpec", "Ports", to: .array(ports)) }
        try ServiceBody.apply(options, to: &spec)
        return spec
    }
}

/// `service create [OPTIONS] IMAGE [COMMAND] [ARG...]`.
struct ServiceCreateCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Makes a service.",
        usage: "martlet service create [OPTIONS] IMAGE [COMMAND] [ARG...]")

    @OptionGroup var options: ServiceOptions
    @OptionGroup var creation: ServiceCreateOptions
    @Argument(parsing: .captureForPassthrough, help: "The image, and the command's words.")
    var words: [String] = []

    func body() throws -> JSONValue {
        let (image, arguments) = try PassedWords.split(words, verb: "service create", needs: "an image")
        return try creation.body(options, image: image, arguments: arguments)
    }

    func run() async throws {
        var spec = try body()
        try await ServiceResolution.resolveNetworks(&spec, engine)
        if !options.noResolve { try await ServiceResolution.resolveImage(&spec, engine) }
        let answer = try await engine.json("POST", "/services/create", body: spec)
        for warning in answer.texts("Warnings") { Output.error("WARNING: \(warning)") }
        let id = answer.text("ID")
        Output.line(id)
        if options.detach { return }
        try await ServiceWatch(engine: engine, serviceID: id, isQuiet: options.quiet).untilConverged()
    }
}
