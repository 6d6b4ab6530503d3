import JSON

/// What an image says about the containers made from it (OCI image-spec: Image Configuration, config).
public struct ImageDefaults: Hashable, Sendable {
    public var user = ""
    public var env: [String] = []
    public var entrypoint: [String]?
    public var cmd: [String]?
    public var workingDir = ""
    public var exposedPorts: [String] = []
    public var volumes: [String] = []
    public var labels: [String: String] = [:]
    public var stopSignal: String?
    public var healthcheck: HealthConfiguration?

    public init() {}
}

extension ContainerConfiguration {
    /// Takes from the image what the client left open, by Docker's rules: a client's entrypoint drops the image's
    /// command; environment, labels, ports and volumes are united, the client's winning.
    public mutating func inherit(_ image: ImageDefaults) {
        if user.isEmpty { user = image.user }
        let own = Set(env.map(Self.variableName))
        env += image.env.filter { !own.contains(Self.variableName($0)) }
        labels.merge(image.labels) { own, _ in own }
        if (entrypoint?.words ?? []).isEmpty {
            if (cmd?.words ?? []).isEmpty { cmd = image.cmd.map(CommandLine.init) }
            if entrypoint == nil { entrypoint = image.entrypoint.map(CommandLine.init) }
        }
        // What `--entrypoint ""` sends: neither the client's nor the image's.
        if entrypoint?.words == [""] { entrypoint = nil }
        if workingDir.isEmpty { workingDir = image.workingDir }
        if stopSignal == nil || stopSignal == "" { stopSignal = image.stopSignal }
        for port in image.exposedPorts { exposedPorts = (exposedPorts ?? [:]).merging([port: [:]]) { own, _ in own } }
        for path in image.volumes { volumes = (volumes ?? [:]).merging([path: [:]]) { own, _ in own } }
        if let probe = healthcheck {
            healthcheck = probe.inheriting(image.healthcheck)
        } else {
            healthcheck = image.healthcheck
        }
    }

    /// The part before the first `=`.
    public static func variableName(_ assignment: String) -> String {
        String(assignment.prefix { $0 != "=" })
    }

    /// What the first process finds in its environment: Docker's own variables, then the configuration's, which win. A
    /// variable without `=` is taken away.
    public func environment(hostname: String) -> [String] {
        var result: [(name: String, text: String)] = [
            ("PATH", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOSTNAME", "HOSTNAME=" + hostname),
        ]
        if tty { result.append(("TERM", "TERM=xterm")) }
        for assignment in env {
            let name = Self.variableName(assignment)
            let index = result.firstIndex { $0.name == name }
            if assignment.utf8.count == name.utf8.count {
                if let index { result.remove(at: index) }
            } else if let index {
                result[index].text = assignment
            } else {
                result.append((name, assignment))
            }
        }
        return result.map(\.text)
    }
}
