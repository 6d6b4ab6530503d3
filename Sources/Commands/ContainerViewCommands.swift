import ArgumentParser
import EngineClient
import JSON
import Values

/// `top CONTAINER [ps OPTIONS]`.
struct TopCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Lists a container's processes.",
        usage: "martlet top CONTAINER [ps OPTIONS]")

    @Argument(parsing: .captureForPassthrough, help: "The container, and options of ps.") var words: [String] = []

    func run() async throws {
        let (container, options) = try PassedWords.split(words, verb: "top", needs: "a container")
        let query = options.isEmpty ? [] : [("ps_args", options.joined(separator: " "))]
        let answer = try await engine.json(
            "GET", "/containers/\(EngineClient.escape(container))/top", query: query)
        let rows = answer.list("Processes").map { ($0.array ?? []).compactMap(\.string).joined(separator: "\t") }
        Output.text(Table.layOut([answer.texts("Titles").joined(separator: "\t")] + rows, narrowest: 20))
    }
}

/// `port CONTAINER [PORT[/PROTOCOL]]`.
struct PortCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "port", abstract: "Lists a container's published ports.")

    @Argument(help: "The container.") var container: String
    @Argument(help: "One of its ports.") var port: String?

    func run() async throws {
        let object = try await engine.json("GET", "/containers/\(EngineClient.escape(container))/json")
        let ports = object.at("NetworkSettings", "Ports")?.object ?? [:]
        if let port {
            let key = port.contains("/") ? port.lowercased() : port + "/tcp"
            guard let bindings = ports[key]?.array, !bindings.isEmpty else {
                throw CommandExit(code: 1, message: "Error: No public port '\(key)' published for \(container)")
            }
            for binding in bindings { Output.line(Self.text(binding)) }
            return
        }
        let sorted = ports.sorted {
            (Int($0.key.prefix { $0 != "/" }) ?? 0, $0.key) < (Int($1.key.prefix { $0 != "/" }) ?? 0, $1.key)
        }
        for (key, bindings) in sorted {
            for binding in bindings.array ?? [] { Output.line("\(key) -> \(Self.text(binding))") }
        }
    }

    private static func text(_ binding: JSONValue) -> String {
        let address = binding.text("HostIp")
        return (address.contains(":") ? "[\(address)]" : address) + ":" + binding.text("HostPort")
    }
}

/// `stats [CONTAINER...]`.
struct StatisticsCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "stats", abstract: "Shows what containers use.")

    @Flag(name: .shortAndLong, help: "Those that do not run, too.") var all = false
    @Flag(name: .customLong("no-stream"), help: "Once.") var once = false
    @Flag(name: .customLong("no-trunc"), help: "Do not shorten identifiers.") var isWhole = false
    @OptionGroup var format: FormatOptions
    @Argument(help: "The containers; all that run without any.") var containers: [String] = []

    func run() async throws {
        while true {
            var names = containers
            if names.isEmpty {
                let list = try await engine.json("GET", "/containers/json", query: all ? [("all", "1")] : [])
                names = (list.array ?? []).map { $0.text("Id") }
            }
            let rows = try await rows(names)
            let text = try StatisticsListing.make(rows).render(format: format.format)
            Output.text((once || !Output.isTerminal ? "" : "\u{1b}[H\u{1b}[2J") + text)
            if once { return }
            if rows.isEmpty { try await Task.sleep(for: .seconds(1)) }
        }
    }

    /// Each answer takes a second, so they are asked for at once.
    private func rows(_ names: [String]) async throws -> [JSONValue] {
        let (engine, isWhole, isNamed) = (engine, isWhole, !containers.isEmpty)
        return try await withThrowingTaskGroup(of: (Int, JSONValue?).self) { group in
            for (position, name) in names.enumerated() {
                group.addTask {
                    do {
                        let figures = try await engine.json(
                            "GET", "/containers/\(EngineClient.escape(name))/stats", query: [("stream", "0")])
                        return (position, StatisticsListing.row(figures, isWhole: isWhole))
                    } catch let error as EngineClientError where error.status == 404 && !isNamed {
                        return (position, nil)
                    }
                }
            }
            var rows: [(Int, JSONValue)] = []
            for try await (position, row) in group { if let row { rows.append((position, row)) } }
            return rows.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
}

/// The list of what containers use.
enum StatisticsListing {
    static func make(_ rows: [JSONValue]) -> Listing {
        Listing(
            headings: [
                "Container": "CONTAINER", "ID": "CONTAINER ID", "Name": "NAME", "CPUPerc": "CPU %",
                "MemUsage": "MEM USAGE / LIMIT", "MemPerc": "MEM %", "NetIO": "NET I/O", "BlockIO": "BLOCK I/O",
                "PIDs": "PIDS",
            ],
            columns:
                "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
            rows: rows)
    }

    static func row(_ figures: JSONValue, isWhole: Bool) -> JSONValue {
        let name = figures.text("name")
        let id = Row.short(figures.text("id"), isWhole)
        let memory = figures["memory_stats"] ?? [:]
        let used = max(0, memory.number("usage") - (memory["stats"]?.number("inactive_file") ?? 0))
        let limit = memory.number("limit")
        var (received, sent): (Int64, Int64) = (0, 0)
        for interface in figures.members("networks").values {
            received += interface.number("rx_bytes")
            sent += interface.number("tx_bytes")
        }
        var (read, written): (Int64, Int64) = (0, 0)
        for entry in figures.at("blkio_stats", "io_service_bytes_recursive")?.array ?? [] {
            switch entry.text("op").lowercased() {
            case "read": read += entry.number("value")
            case "write": written += entry.number("value")
            default: break
            }
        }
        return [
            "Container": .string(id), "ID": .string(id),
            "Name": .string(name.hasPrefix("/") ? String(name.dropFirst()) : name),
            "CPUPerc": .string(percent(processorShare(figures))),
            "MemUsage": .string("\(ByteCount(used).binaryDescription) / \(ByteCount(limit).binaryDescription)"),
            "MemPerc": .string(percent(limit > 0 ? Double(used) / Double(limit) * 100 : 0)),
            "NetIO": .string("\(ByteCount(received)) / \(ByteCount(sent))"),
            "BlockIO": .string("\(ByteCount(read)) / \(ByteCount(written))"),
            "PIDs": .string(String(figures["pids_stats"]?.number("current") ?? 0)),
        ]
    }

    /// Percent of one processor between the two samples.
    private static func processorShare(_ figures: JSONValue) -> Double {
        let now = figures["cpu_stats"] ?? [:]
        let before = figures["precpu_stats"] ?? [:]
        func used(_ sample: JSONValue) -> Double { Double(sample["cpu_usage"]?.number("total_usage") ?? 0) }
        let own = used(now) - used(before)
        let whole = Double(now.number("system_cpu_usage") - before.number("system_cpu_usage"))
        guard own > 0, whole > 0, before.number("system_cpu_usage") > 0 else { return 0 }
        return own / whole * Double(max(1, now.number("online_cpus"))) * 100
    }

    private static func percent(_ value: Double) -> String {
        let hundredths = Int64((value * 100).rounded())
        let fraction = String(hundredths % 100)
        return "\(hundredths / 100)." + (fraction.count < 2 ? "0" : "") + fraction + "%"
    }
}
