import EngineModel
import JSON
import Values

/// Dockerfile instructions that change how an image runs, as `docker import --change` takes them.
public enum ConfigurationChange {
    /// The longest instruction in bytes.
    public static let maximumBytes = 64 << 10

    /// Applies one instruction, such as `ENV A=b` or `CMD ["serve"]`.
    public static func apply(_ line: String, to parameters: inout ExecutionParameters) throws(OCIError) {
        guard line.utf8.count <= maximumBytes else {
            throw OCIError("an instruction longer than \(maximumBytes) bytes")
        }
        let line = trimmed(line[...])
        let word = line.prefix { !$0.isWhitespace }
        let instruction = word.uppercased()
        let rest = trimmed(line.dropFirst(word.count))
        guard known.contains(instruction) else { throw OCIError("\(word) is not a valid change command") }
        guard !rest.isEmpty else { throw OCIError("\(instruction) requires at least one argument") }
        let words = InstructionWords(variables: parameters)
        switch instruction {
        case "CMD": parameters.cmd = CommandLine(command(rest, parameters))
        case "ENTRYPOINT": parameters.entrypoint = CommandLine(command(rest, parameters))
        case "ENV":
            for (name, value) in try words.pairs(rest, instruction) { parameters.setVariable(name, value) }
        case "LABEL":
            for (name, value) in try words.pairs(rest, instruction) { parameters.labels[name] = value }
        case "EXPOSE":
            for word in try words.split(rest) { try expose(word, &parameters) }
        case "VOLUME":
            let paths = if let list = jsonWords(rest) { list } else { try words.split(rest) }
            for path in paths {
                guard !trimmed(path[...]).isEmpty else { throw OCIError("VOLUME specified can not be an empty string") }
                parameters.volumes = (parameters.volumes ?? [:]).merging([path: [:]]) { $1 }
            }
        case "USER": parameters.user = try single(words.split(rest), instruction)
        case "STOPSIGNAL": parameters.stopSignal = try single(words.split(rest), instruction)
        case "WORKDIR":
            let path = try words.expanded(rest)
            parameters.workingDir = joined(parameters.workingDir, path)
        case "HEALTHCHECK": parameters.healthcheck = try healthcheck(rest)
        case "ONBUILD":
            let trigger = rest.prefix { !$0.isWhitespace }.uppercased()
            guard !["ONBUILD", "FROM", "MAINTAINER"].contains(trigger) else {
                throw OCIError("\(trigger) isn't allowed as an ONBUILD trigger")
            }
            parameters.onBuild.append(String(rest))
        default: preconditionFailure("every known instruction has a case")
        }
    }

    private static let known: Set<String> = [
        "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME",
        "WORKDIR",
    ]

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    private static func single(_ words: [String], _ instruction: String) throws(OCIError) -> String {
        guard words.count == 1 else { throw OCIError("\(instruction) requires exactly one argument") }
        return words[0]
    }

    /// The words of a JSON list of strings; nil for anything else.
    private static func jsonWords(_ text: Substring) -> [String]? {
        guard text.hasPrefix("["), let list = (try? JSONValue(parsing: String(text)))?.array else { return nil }
        let words = list.compactMap(\.string)
        return words.count == list.count ? words : nil
    }

    private static func command(_ text: Substring, _ parameters: ExecutionParameters) -> [String] {
        jsonWords(text) ?? (parameters.shell ?? ["/bin/sh", "-c"]) + [String(text)]
    }

    private static func joined(_ base: String, _ path: String) -> String {
        let whole = path.hasPrefix("/") ? path : base + "/" + path
        var parts: [Substring] = []
        for part in whole.split(separator: "/") where part != "." {
            if part == ".." { parts = parts.dropLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// `80`, `80/udp`, `8000-8010/tcp`.
    private static func expose(_ word: String, _ parameters: inout ExecutionParameters) throws(OCIError) {
        let invalid = OCIError("invalid containerPort: \(word)")
        let parts = word.split(separator: "/", omittingEmptySubsequences: false)
        let transport = parts.count == 2 ? parts[1].lowercased() : "tcp"
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
        guard (1...2).contains(parts.count), ["tcp", "udp", "sctp"].contains(transport), (1...2).contains(ends.count),
            let first = ends[0], let last = ends[ends.count - 1], first > 0, first <= last
        else { throw invalid }
        var ports = parameters.exposedPorts ?? [:]
        for port in first...last { ports["\(port)/\(transport)"] = [:] }
        parameters.exposedPorts = ports
    }

    /// `NONE`, or options and `CMD` with words or a line.
    private static func healthcheck(_ text: Substring) throws(OCIError) -> HealthConfiguration {
        var result = HealthConfiguration(test: [])
        var rest = text
        while rest.hasPrefix("--") {
            let option = rest.prefix { !$0.isWhitespace }
            rest = trimmed(rest.dropFirst(option.count))
            guard let equals = option.firstIndex(of: "=") else { throw OCIError("Missing a value on flag: \(option)") }
            let value = option[option.index(after: equals)...]
            let name = option[..<equals]
            if name == "--retries" {
                guard let retries = Int(value), retries >= 0 else {
                    throw OCIError("--retries cannot be negative (\(value))")
                }
                result.retries = retries
                continue
            }
            guard let duration = GoDuration.nanoseconds(value) else {
                throw OCIError("time: invalid duration \"\(value)\"")
            }
            guard duration == 0 || duration >= 1_000_000 else {
                throw OCIError("Interval \"\(name.dropFirst(2))\" cannot be less than 1ms")
            }
            switch name {
            case "--interval": result.interval = duration
            case "--timeout": result.timeout = duration
            case "--start-period": result.startPeriod = duration
            case "--start-interval": result.startInterval = duration
            default: throw OCIError("Unknown flag: \(name.dropFirst(2))")
            }
        }
        let kind = rest.prefix { !$0.isWhitespace }.uppercased()
        let command = trimmed(rest.dropFirst(kind.count))
        switch kind {
        case "NONE":
            guard command.isEmpty else { throw OCIError("HEALTHCHECK NONE takes no arguments") }
            result.test = ["NONE"]
        case "CMD":
            guard !command.isEmpty else { throw OCIError("Missing command after HEALTHCHECK CMD") }
            result.test = jsonWords(command).map { ["CMD"] + $0 } ?? ["CMD-SHELL", String(command)]
        default:
            throw OCIError("Unknown type \"\(kind)\" in HEALTHCHECK (try CMD)")
        }
        return result
    }
}
