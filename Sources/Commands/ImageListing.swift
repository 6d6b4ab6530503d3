import ArgumentParser
import EngineClient
import JSON
import LinuxSystem
import Values

/// The flags of `images` and `image ls`.
struct ImageListOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Accepted for docker's sake.") var all = false
    @Flag(help: "With digests.") var digests = false
    @OptionGroup var filter: FilterOptions
    @OptionGroup var format: FormatOptions
    @OptionGroup var list: ListOptions
    @Argument(help: "Only images of this name.") var repository: String?

    func show(_ engine: EngineClient) async throws {
        let query = try filter.query(repository.map { ["reference": [$0]] } ?? [:])
        let images = try await engine.json("GET", "/images/json", query: query).array ?? []
        try ImageListing.make(images, isWhole: list.isWhole, hasDigests: digests)
            .show(format: format.format, quiet: list.quiet)
    }
}

/// `images`.
struct ListImagesCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "images", abstract: "Lists images.")

    @OptionGroup var options: ImageListOptions

    func run() async throws { try await options.show(engine) }
}

/// `image ls`.
struct ImageListCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "Lists images.", aliases: ["list"])

    @OptionGroup var options: ImageListOptions

    func run() async throws { try await options.show(engine) }
}

/// The list of images: a row for each name.
enum ImageListing {
    static func make(
        _ images: [JSONValue], isWhole: Bool, hasDigests: Bool, now: Timestamp = Clock.now()
    ) -> Listing {
        Listing(
            headings: [
                "Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", "ID": "IMAGE ID",
                "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "Size": "SIZE", "Containers": "CONTAINERS",
                "SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE", "VirtualSize": "SIZE",
            ],
            columns: "{{.Repository}}\t{{.Tag}}\t" + (hasDigests ? "{{.Digest}}\t" : "")
                + "{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
            rows: images.sorted { $0.number("Created") > $1.number("Created") }.flatMap { rows($0, isWhole, now) })
    }

    private static func rows(_ image: JSONValue, _ isWhole: Bool, _ now: Timestamp) -> [JSONValue] {
        let created = Timestamp(secondsSinceEpoch: image.number("Created"))
        let size = ByteCount(image.number("Size")).description
        let digests = image.texts("RepoDigests").compactMap { text in
            text.firstIndex(of: "@").map { (String(text[..<$0]), String(text[text.index(after: $0)...])) }
        }
        let names = image.texts("RepoTags").filter { $0 != "<none>:<none>" }
        func row(_ repository: String, _ tag: String) -> JSONValue {
            let shared = image.number("SharedSize")
            return [
                "Repository": .string(repository), "Tag": .string(tag),
                "Digest": .string(digests.first { $0.0 == repository }?.1 ?? "<none>"),
                "ID": .string(Row.short(image.text("Id"), isWhole)),
                "CreatedSince": .string(HumanTime.ago(created, now: now)),
                "CreatedAt": .string(HumanTime.moment(created)), "Size": .string(size), "VirtualSize": .string(size),
                "Containers": .string(image.number("Containers") < 0 ? "N/A" : String(image.number("Containers"))),
                "SharedSize": .string(shared < 0 ? "N/A" : ByteCount(shared).description), "UniqueSize": "N/A",
            ]
        }
        if names.isEmpty { return [row(digests.first?.0 ?? "<none>", "<none>")] }
        return names.map { name in
            let parts = ImageName.split(name)
            return row(parts.name, parts.tag ?? "<none>")
        }
    }
}
