import ArgumentParser
import EngineClient
import JSON
import LinuxSystem
import Values

/// The flags of `ps` and `container ls`.
struct ContainerListOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Those that do not run, too.") var all = false
    @OptionGroup var filter: FilterOptions
    @OptionGroup var format: FormatOptions
    @OptionGroup var list: ListOptions
    @Option(name: [.customShort("n"), .customLong("last")], parsing: .unconditional, help: "The N made last.")
    var last: Int?
    @Flag(name: .shortAndLong, help: "The one made last.") var latest = false
    @Flag(name: .shortAndLong, help: "With sizes.") var size = false

    func show(_ engine: EngineClient) async throws {
        var query = try filter.query()
        if all { query.append(("all", "1")) }
        if let limit = latest ? 1 : last, limit > 0 { query.append(("limit", String(limit))) }
        if size { query.append(("size", "1")) }
        let containers = try await engine.json("GET", "/containers/json", query: query).array ?? []
        try ContainerListing.make(containers, isWhole: list.isWhole, hasSize: size)
            .show(format: format.format, quiet: list.quiet)
    }
}

/// `ps`.
struct ListContainersCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "ps", abstract: "Lists containers.")

    @OptionGroup var options: ContainerListOptions

    func run() async throws { try await options.show(engine) }
}

/// `container ls`.
struct ContainerListCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "Lists containers.", aliases: ["ps", "list"])

    @OptionGroup var options: ContainerListOptions

    func run() async throws { try await options.show(engine) }
}

/// The list of containers.
enum ContainerListing {
    static func make(
        _ containers: [JSONValue], isWhole: Bool, hasSize: Bool, now: Timestamp = Clock.now()
    ) -> Listing {
        Listing(
            headings: [
                "ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "CreatedAt": "CREATED AT",
                "RunningFor": "CREATED", "Ports": "PORTS", "State": "STATE", "Status": "STATUS", "Size": "SIZE",
                "Names": "NAMES", "Labels": "LABELS", "LocalVolumes": "LOCAL VOLUMES", "Mounts": "MOUNTS",
                "Networks": "NETWORKS",
            ],
            columns: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
                + (hasSize ? "\t{{.Size}}" : ""),
            rows: containers.map { row($0, isWhole, now) })
    }

    private static func row(_ container: JSONValue, _ isWhole: Bool, _ now: Timestamp) -> JSONValue {
        let created = Timestamp(secondsSinceEpoch: container.number("Created"))
        let labels = container["Labels"] ?? [:]
        let mounts = container.list("Mounts")
        let image = container.text("Image")
        let size = ByteCount(container.number("SizeRw")).description
        let names = container.texts("Names").map { $0.hasPrefix("/") ? String($0.dropFirst()) : $0 }
        return [
            "ID": .string(Row.short(container.text("Id"), isWhole)),
            "Image": .string(image.isEmpty ? "<no image>" : isWhole ? image : shown(image)),
            "Command": .string("\"\(isWhole ? container.text("Command") : Row.cut(container.text("Command"), 20))\""),
            "CreatedAt": .string(HumanTime.moment(created)), "RunningFor": .string(HumanTime.ago(created, now: now)),
            "Ports": .string(ports(container.list("Ports"))), "State": .string(container.text("State")),
            "Status": .string(container.text("Status")),
            "Size": .string(
                container["SizeRootFs"] == nil
                    ? size : "\(size) (virtual \(ByteCount(container.number("SizeRootFs"))))"),
            "Names": .string(names.joined(separator: ",")), "Labels": Row.labels(labels),
            "LocalVolumes": .string(String(mounts.count { $0.text("Driver") == "local" })),
            "Mounts": .string(
                mounts.map { mount in
                    let name = mount.text("Name").isEmpty ? mount.text("Source") : mount.text("Name")
                    return isWhole ? name : Row.cut(name, 15)
                }.joined(separator: ",")),
            "Networks": .string(
                (container.at("NetworkSettings", "Networks")?.object ?? [:]).keys.sorted().joined(separator: ",")),
            Template.labelsMember: labels,
        ]
    }

    /// An image's identifier is shortened, a name keeps no digest.
    private static func shown(_ image: String) -> String {
        image.hasPrefix("sha256:") ? Row.short(image) : ImageName.shown(image)
    }

    /// `443/tcp, 0.0.0.0:8080->80/tcp`: ports that follow each other and keep their number are one range, as docker
    /// shows them.
    static func ports(_ ports: [JSONValue]) -> String {
        let sorted = ports.sorted {
            ($0.number("PrivatePort"), $0.text("IP"), $0.number("PublicPort"), $0.text("Type"))
                < ($1.number("PrivatePort"), $1.text("IP"), $1.number("PublicPort"), $1.text("Type"))
        }
        var finished: [String] = []
        var moved: [String] = []
        var runs: [(address: String, transport: String, ports: ClosedRange<Int64>)] = []
        for port in sorted {
            let (inside, outside) = (port.number("PrivatePort"), port.number("PublicPort"))
            let (address, transport) = (port.text("IP"), port.text("Type"))
            if !address.isEmpty, inside != outside {
                moved.append("\(joined(address, String(outside)))->\(inside)/\(transport)")
                continue
            }
            guard let index = runs.firstIndex(where: { $0.address == address && $0.transport == transport }) else {
                runs.append((address, transport, inside...inside))
                continue
            }
            if runs[index].ports.upperBound + 1 == inside {
                runs[index].ports = runs[index].ports.lowerBound...inside
            } else {
                finished.append(text(runs[index]))
                runs[index].ports = inside...inside
            }
        }
        return (finished + runs.map(text) + moved).joined(separator: ", ")
    }

    private static func text(_ run: (address: String, transport: String, ports: ClosedRange<Int64>)) -> String {
        let (first, last) = (run.ports.lowerBound, run.ports.upperBound)
        let range = first == last ? "\(first)" : "\(first)-\(last)"
        return (run.address.isEmpty ? range : "\(joined(run.address, range))->\(range)") + "/" + run.transport
    }

    private static func joined(_ address: String, _ port: String) -> String {
        (address.contains(":") ? "[\(address)]" : address) + ":" + port
    }
}
