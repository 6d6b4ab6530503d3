import ArgumentParser
import EngineClient
import Glibc
import JSON
import LinuxSystem
import Values

/// `martlet image`.
struct ImageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Images of this host.",
        subcommands: [
            HistoryCommand.self, ImportCommand.self, ImageInspectCommand.self, LoadCommand.self,
            ImageListCommand.self, ImagePruneCommand.self, ImageRemoveCommand.self, SaveCommand.self, TagCommand.self,
        ])
}

/// Archives on their way to an engine.
enum ArchiveUpload {
    /// Read at once, in bytes.
    private static let pieceSize = 256 << 10

    /// A file's bytes, or standard input's for nil and `-`, as they are taken.
    static func body(_ path: String?) throws(SystemError) -> EngineRequestBody {
        var descriptor: Int32 = 0
        if let path, path != "-" { descriptor = try Descriptor.open(path, O_RDONLY).release() }
        let reader = BlockingReader(descriptor)
        return .stream(contentType: "application/x-tar") {
            let bytes = try await reader.read(upTo: pieceSize)
            return bytes.isEmpty ? nil : bytes
        }
    }
}

/// `load [-i FILE]`.
struct LoadCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "load", abstract: "Takes in the images of an archive, of docker's or of OCI's layout.")

    @Option(name: .shortAndLong, help: "The archive; standard input without it.") var input: String?
    @Flag(name: .shortAndLong, help: "Say nothing of the progress.") var quiet = false
    @Option(help: "Accepted for docker's sake.") var platform: String?

    func run() async throws {
        guard input != nil || !TerminalMode.isInput else {
            throw CommandExit(code: 1, message: "requested load from stdin, but stdin is empty")
        }
        let response = try await engine.perform(
            "POST", "/images/load", query: quiet ? [("quiet", "1")] : [], body: try ArchiveUpload.body(input))
        try await ProgressLines.show(response)
    }
}

/// `import FILE|- [NAME[:TAG]]`.
struct ImportCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Makes an image of a tar archive of a root file system.")

    @Option(name: .shortAndLong, parsing: .unconditionalSingleValue, help: "A Dockerfile instruction, CMD [\"sh\"].")
    var change: [String] = []
    @Option(name: .shortAndLong, parsing: .unconditional, help: "A comment.") var message: String?
    @Option(help: "Accepted for docker's sake.") var platform: String?
    @Argument(help: "The archive, or - for standard input.") var file: String
    @Argument(help: "The image's name.") var name: String?

    func run() async throws {
        var query = [("fromSrc", "-")]
        if let name {
            let parts = ImageName.split(name)
            query.append(("repo", parts.name))
            if let tag = parts.tag { query.append(("tag", tag)) }
        }
        for instruction in change { query.append(("changes", instruction)) }
        if let message { query.append(("message", message)) }
        let response = try await engine.perform(
            "POST", "/images/create", query: query, body: try ArchiveUpload.body(file))
        try await ProgressLines.show(response)
    }
}

/// `save [-o FILE] IMAGE...`.
struct SaveCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "save", abstract: "Writes images to an archive.")

    @Option(name: .shortAndLong, help: "The archive; standard output without it.") var output: String?
    @Option(help: "Accepted for docker's sake.") var platform: String?
    @Argument(help: "The images.") var images: [String]

    func run() async throws {
        guard output != nil || !Output.isTerminal else {
            throw CommandExit(code: 1, message: "cowardly refusing to save to a terminal. Use the -o flag or redirect")
        }
        let response = try await engine.perform("GET", "/images/get", query: images.map { ("names", $0) })
        guard let output else {
            while let bytes = try await response.next() { Output.write(bytes) }
            return
        }
        // The whole archive or none: a name that is there already keeps what it had until the end.
        let partial = output + ".partial-\(getpid())"
        do {
            let file = try Descriptor.open(partial, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            while let bytes = try await response.next() { try Bytes.writeAll(file.rawValue, bytes) }
            try syscall("rename", on: output) { rename(partial, output) }
        } catch {
            unlink(partial)
            throw error
        }
    }
}

/// `tag SOURCE TARGET`.
struct TagCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "tag", abstract: "Gives an image a further name.")

    @Argument(help: "The image.") var source: String
    @Argument(help: "Its further name.") var target: String

    func run() async throws {
        let parts = ImageName.split(target)
        try await engine.json(
            "POST", "/images/\(EngineClient.escape(source))/tag",
            query: [("repo", parts.name)] + (parts.tag.map { [("tag", $0)] } ?? []))
    }
}

/// The flags of `rmi` and `image rm`.
struct ImageRemoveOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Even where containers use them.") var force = false
    @Flag(name: .customLong("no-prune"), help: "Accepted for docker's sake.") var noPrune = false
    @Argument(help: "The images.") var images: [String]

    func remove(_ engine: EngineClient, _ name: String) async throws {
        let removed = try await engine.json(
            "DELETE", "/images/\(EngineClient.escape(name))", query: force ? [("force", "1")] : [])
        for entry in removed.array ?? [] {
            if let name = entry["Untagged"]?.string { Output.line("Untagged: \(name)") }
            if let id = entry["Deleted"]?.string { Output.line("Deleted: \(id)") }
        }
    }
}

/// `rmi IMAGE...`.
struct RemoveImagesCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "rmi", abstract: "Removes images.")

    @OptionGroup var options: ImageRemoveOptions

    func run() async throws { try await each(options.images) { try await options.remove(engine, $0) } }
}

/// `image rm IMAGE...`.
struct ImageRemoveCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Removes images.", aliases: ["remove"])

    @OptionGroup var options: ImageRemoveOptions

    func run() async throws { try await each(options.images) { try await options.remove(engine, $0) } }
}

/// `image inspect IMAGE...`.
struct ImageInspectCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "inspect", abstract: "Shows all of images.")

    @Option(name: .shortAndLong, parsing: .unconditional, help: "json, or a template.") var format: String?
    @Argument(help: "The images.") var images: [String]

    func run() async throws { try await Inspection(engine: engine, kinds: [.image], format: format).run(images) }
}

/// `image prune`.
struct ImagePruneCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "prune", abstract: "Removes images that nothing uses.")

    @Flag(name: .shortAndLong, help: "Those with names, too.") var all = false
    @OptionGroup var prune: PruneOptions

    func run() async throws {
        try await prune.run(
            all
                ? "This will remove all images without at least one container associated to them."
                : "This will remove all dangling images.", engine, "/images/prune", deleted: "ImagesDeleted",
            title: "Deleted Images:", filters: ["dangling": [all ? "false" : "true"]])
    }
}

/// `history IMAGE`.
struct HistoryCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "history", abstract: "Shows how an image was made.")

    @OptionGroup var format: FormatOptions
    @OptionGroup var list: ListOptions
    @Argument(help: "The image.") var image: String

    func run() async throws {
        let items = try await engine.json("GET", "/images/\(EngineClient.escape(image))/history").array ?? []
        try Listing(
            headings: [
                "ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY",
                "Size": "SIZE", "Comment": "COMMENT",
            ],
            columns: "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
            rows: items.map { item in
                let created = Timestamp(secondsSinceEpoch: item.number("Created"))
                let by = item.text("CreatedBy").replacing("\t", with: " ")
                let id = item.text("Id")
                return [
                    "ID": .string(id == "<missing>" ? id : Row.short(id, list.isWhole)),
                    "CreatedSince": .string(HumanTime.ago(created)), "CreatedAt": .string(created.description),
                    "CreatedBy": .string(list.isWhole ? by : Row.cut(by, 45)),
                    "Size": .string(ByteCount(item.number("Size")).description),
                    "Comment": .string(item.text("Comment")),
                ]
            }
        ).show(format: format.format, quiet: list.quiet)
    }
}
