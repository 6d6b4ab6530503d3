import JSON

/// `service inspect --pretty`: the fields of a service in words.
enum ServicePretty {
    static let format = "{{range .Lines}}{{println .}}{{end}}"

    /// The lines for `format`.
    static func fields(_ service: JSONValue) -> JSONValue { ["Lines": .strings(lines(service))] }

    private static func lines(_ service: JSONValue) -> [String] {
        let spec = service["Spec"] ?? [:]
        let template = spec["TaskTemplate"] ?? [:]
        let container = template["ContainerSpec"] ?? [:]
        var lines: [String] = []
        func add(_ name: String, _ value: String, indent: Int = 0) {
            guard !value.isEmpty else { return }
            let title = String(repeating: " ", count: indent) + name + ":"
            lines.append(title + String(repeating: " ", count: max(1, 16 - title.count)) + value)
        }
        add("ID", service.text("ID"))
        add("Name", spec.text("Name"))
        for (name, value) in spec.members("Labels").sorted(by: { $0.key < $1.key }) {
            add("Label", "\(name)=\(value.string ?? "")")
        }
        add("Service Mode", ServiceListing.mode(spec).capitalisedFirst)
        if let replicas = spec.at("Mode", "Replicated", "Replicas")?.integer {
            add("Replicas", "\(replicas)", indent: 1)
        }
        if let status = service["UpdateStatus"] {
            lines.append("UpdateStatus:")
            add("State", status.text("State"), indent: 1)
            add("Started", HumanTime.ago(status.time("StartedAt")), indent: 1)
            if let moment = status.time("CompletedAt") { add("Completed", HumanTime.ago(moment), indent: 1) }
            add("Message", status.text("Message"), indent: 1)
        }
        if let placement = template["Placement"] {
            lines.append("Placement:")
            add("Constraints", placement.texts("Constraints").joined(separator: ", "), indent: 1)
            let spreads = placement.list("Preferences").compactMap { $0.at("Spread", "SpreadDescriptor")?.string }
            add("Spread", spreads.joined(separator: ", "), indent: 1)
        }
        for (title, member) in [("UpdateConfig", "UpdateConfig"), ("RollbackConfig", "RollbackConfig")] {
            guard let configuration = spec[member] else { continue }
            lines.append("\(title):")
            add("Parallelism", "\(configuration.number("Parallelism"))", indent: 1)
            let delay = configuration.number("Delay")
            if delay > 0 { add("Delay", DurationText.text(delay), indent: 1) }
            add("On failure", configuration.text("FailureAction"), indent: 1)
            add("Monitor", DurationText.text(configuration.number("Monitor")), indent: 1)
            add("Order", configuration.text("Order"), indent: 1)
        }
        lines.append("ContainerSpec:")
        add("Image", container.text("Image"), indent: 1)
        add("Args", container.texts("Args").joined(separator: " "), indent: 1)
        add("Env", container.texts("Env").joined(separator: " "), indent: 1)
        add("User", container.text("User"), indent: 1)
        for mount in container.list("Mounts") {
            add("Mount", "\(mount.text("Type")) \(mount.text("Source")) -> \(mount.text("Target"))", indent: 1)
        }
        let networks = template.list("Networks").map { $0.text("Target") }
        add("Networks", networks.joined(separator: " "))
        add(
            "Endpoint Mode",
            service.at("Endpoint", "Spec", "Mode")?.string ?? spec.at("EndpointSpec", "Mode")?.string ?? "")
        for port in service.at("Endpoint", "Ports")?.array ?? [] {
            add(
                "Port",
                "\(port.number("PublishedPort"))->\(port.number("TargetPort"))/\(port.text("Protocol")) "
                    + port.text("PublishMode"), indent: 1)
        }
        return lines
    }
}

extension String {
    fileprivate var capitalisedFirst: String { prefix(1).uppercased() + dropFirst() }
}
