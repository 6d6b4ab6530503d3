import ArgumentParser
import EngineClient
import JSON

/// `service ls`.
struct ServiceListCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "Lists services.", aliases: ["list"])

    @OptionGroup var filter: FilterOptions
    @OptionGroup var format: FormatOptions
    @Flag(name: .shortAndLong, help: "Only identifiers.") var quiet = false

    func run() async throws {
        let services = try await engine.json("GET", "/services", query: try filter.query() + [("status", "true")])
        try ServiceListing.make(services.array ?? []).show(format: format.format, quiet: quiet)
    }
}

/// The list of services.
enum ServiceListing {
    static func make(_ services: [JSONValue]) -> Listing {
        Listing(
            headings: [
                "ID": "ID", "Name": "NAME", "Mode": "MODE", "Replicas": "REPLICAS", "Image": "IMAGE", "Ports": "PORTS",
                "Labels": "LABELS",
            ],
            columns: "{{.ID}}\t{{.Name}}\t{{.Mode}}\t{{.Replicas}}\t{{.Image}}\t{{.Ports}}",
            rows: services.sorted { ($0.at("Spec", "Name")?.string ?? "") < ($1.at("Spec", "Name")?.string ?? "") }.map(
                row))
    }

    private static func row(_ service: JSONValue) -> JSONValue {
        let spec = service["Spec"] ?? [:]
        let labels = spec["Labels"] ?? [:]
        return [
            "ID": .string(Row.short(service.text("ID"))), "Name": .string(spec.text("Name")),
            "Mode": .string(mode(spec)), "Replicas": .string(replicas(service)),
            "Image": .string(ImageName.shown(spec.at("TaskTemplate", "ContainerSpec", "Image")?.string ?? "")),
            "Ports": .string(ports(service.at("Endpoint", "Ports")?.array ?? [])), "Labels": Row.labels(labels),
            Template.labelsMember: labels,
        ]
    }

    static func mode(_ spec: JSONValue) -> String {
        let mode = spec["Mode"] ?? [:]
        if mode["Global"] != nil { return "global" }
        if mode["ReplicatedJob"] != nil { return "replicated job" }
        return mode["GlobalJob"] != nil ? "global job" : "replicated"
    }

    private static func replicas(_ service: JSONValue) -> String {
        let status = service["ServiceStatus"] ?? [:]
        let text = "\(status.number("RunningTasks"))/\(status.number("DesiredTasks"))"
        let limit = service.at("Spec", "TaskTemplate", "Placement", "MaxReplicas")?.integer ?? 0
        return limit > 0 ? "\(text) (max \(limit) per node)" : text
    }

    /// `*:8080->80/tcp`, ports that follow each other put together.
    static func ports(_ ports: [JSONValue]) -> String {
        let shown = ports.filter { $0.number("PublishedPort") > 0 }
            .sorted {
                ($0.text("Protocol"), $0.number("PublishedPort")) < ($1.text("Protocol"), $1.number("PublishedPort"))
            }
        var runs: [(published: ClosedRange<Int64>, target: ClosedRange<Int64>, transport: String)] = []
        for port in shown {
            let (published, target) = (port.number("PublishedPort"), port.number("TargetPort"))
            if let last = runs.last, last.transport == port.text("Protocol"),
                last.published.upperBound + 1 == published,
                last.target.upperBound + 1 == target
            {
                runs[runs.count - 1].published = last.published.lowerBound...published
                runs[runs.count - 1].target = last.target.lowerBound...target
            } else {
                runs.append((published...published, target...target, port.text("Protocol")))
            }
        }
        func text(_ range: ClosedRange<Int64>) -> String {
            range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
        }
        return runs.map { "*:\(text($0.published))->\(text($0.target))/\($0.transport)" }.joined(separator: ", ")
    }
}

/// `service ps SERVICE...`.
struct ServiceTasksCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "ps", abstract: "Lists the tasks of services.")

    @OptionGroup var filter: FilterOptions
    @OptionGroup var format: FormatOptions
    @OptionGroup var list: ListOptions
    @Flag(name: .customLong("no-resolve"), help: "Show identifiers instead of names.") var noResolve = false
    @Argument(help: "The services.") var services: [String]

    func run() async throws {
        var found: [String: String] = [:]
        var failures: [String] = []
        for name in services {
            do {
                let service = try await engine.json("GET", "/services/\(EngineClient.escape(name))")
                found[service.text("ID")] = service.at("Spec", "Name")?.string ?? name
            } catch let error as EngineClientError where error.status == 404 {
                failures.append("no such service: \(name)")
            }
        }
        if !found.isEmpty {
            let query = try filter.query(["service": found.keys.sorted()])
            let tasks = try await engine.json("GET", "/tasks", query: query).array ?? []
            let nodes = try await TaskListing.nodeNames(engine)
            try TaskListing.make(tasks, services: found, nodes: nodes, isWhole: list.isWhole, resolves: !noResolve)
                .show(format: format.format, quiet: list.quiet)
        }
        if !failures.isEmpty { throw CommandExit(code: 1, message: failures.joined(separator: "\n")) }
    }
}
