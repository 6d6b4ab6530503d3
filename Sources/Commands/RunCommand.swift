import ArgumentParser
import EngineClient
import Glibc
import JSON
import LinuxSystem

/// `create [OPTIONS] IMAGE [COMMAND] [ARG...]`.
struct CreateCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Makes a container.",
        usage: "martlet create [OPTIONS] IMAGE [COMMAND] [ARG...]")

    @OptionGroup var options: ContainerOptions
    @Argument(parsing: .captureForPassthrough, help: "The image, and the command's words.") var words: [String] = []

    func run() async throws {
        let (image, command) = try PassedWords.split(words, verb: "create", needs: "an image")
        let body = try ContainerBody.make(options, image: image, command: command, isAttached: false)
        Output.line(try await ContainerLauncher(engine: engine, options: options, verb: "create").create(body, image))
    }
}

/// `run [OPTIONS] IMAGE [COMMAND] [ARG...]`.
struct RunCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Makes a container from an image and starts it.",
        usage: "martlet run [OPTIONS] IMAGE [COMMAND] [ARG...]")

    @OptionGroup var options: ContainerOptions
    @Flag(name: .shortAndLong, help: "Leave it running and print its identifier.") var detach = false
    @Option(name: .customLong("detach-keys"), help: "The keys that leave the container.") var detachKeys: String?
    @Flag(name: .customLong("sig-proxy"), inversion: .prefixedNo, help: "Pass signals on.") var passesSignals = true
    @Argument(parsing: .captureForPassthrough, help: "The image, and the command's words.") var words: [String] = []

    func body() throws -> (body: JSONValue, image: String) {
        let (image, command) = try PassedWords.split(words, verb: "run", needs: "an image")
        guard !detach || options.attach.isEmpty else {
            throw CommandExit(
                code: CommandFailure.usageCode, message: "martlet: conflicting options: --attach and --detach")
        }
        return (try ContainerBody.make(options, image: image, command: command, isAttached: !detach), image)
    }

    func run() async throws {
        let (body, image) = try body()
        guard detach || !options.interactive || !options.tty || TerminalMode.isInput else {
            throw CommandExit(code: 1, message: "the input device is not a TTY")
        }
        let launcher = ContainerLauncher(engine: engine, options: options, verb: "run")
        let id = try await launcher.create(body, image)
        if detach {
            try await launcher.start(id)
            Output.line(id)
            return
        }
        let attached = AttachedContainer(
            engine: engine, id: id, hasTerminal: options.tty, takesInput: body["AttachStdin"]?.bool ?? false,
            givesOutput: body["AttachStdout"]?.bool ?? false, givesErrors: body["AttachStderr"]?.bool ?? false,
            detachKeys: detachKeys, proxiesSignals: passesSignals && !options.tty, isRemoved: options.removes)
        try await attached.run { try await launcher.start(id) }
    }
}

/// Making and starting containers with docker's exit codes for what goes wrong.
struct ContainerLauncher {
    let engine: EngineClient
    let options: ContainerOptions
    let verb: String

    /// Makes a container; an image that is missing is asked for.
    func create(_ body: JSONValue, _ image: String) async throws -> String {
        do {
            if let file = options.idFile, Files.exists(file) {
                throw CommandExit(
                    code: 125,
                    message: "martlet: container ID file found, make sure the other container isn't running or "
                        + "delete \(file)")
            }
            if options.pull == "always" { try await pull(image) }
            var query = options.name.map { [("name", $0)] } ?? []
            if let platform = options.platform { query.append(("platform", platform)) }
            let answer: JSONValue
            do {
                answer = try await engine.json("POST", "/containers/create", query: query, body: body)
            } catch let error as EngineClientError
                where error.status == 404 && options.pull == "missing" && error.message.contains("o such image")
            {
                if !options.quiet { Output.error("Unable to find image '\(ImageName.tagged(image))' locally") }
                try await pull(image)
                answer = try await engine.json("POST", "/containers/create", query: query, body: body)
            }
            for warning in answer.texts("Warnings") { Output.error("WARNING: \(warning)") }
            let id = answer.text("Id")
            if let file = options.idFile { try Files.write(file, id) }
            return id
        } catch let error as EngineClientError {
            throw refusal(error)
        }
    }

    func start(_ id: String) async throws {
        do {
            try await engine.json("POST", "/containers/\(id)/start")
        } catch let error as EngineClientError {
            throw refusal(error)
        }
    }

    private func pull(_ image: String) async throws {
        let name = ImageName.tagged(image)
        let (repository, tag) = ImageName.split(name)
        let response = try await engine.perform(
            "POST", "/images/create", query: [("fromImage", repository), ("tag", tag ?? "")])
        try await ProgressLines.show(response, isQuiet: options.quiet, toErrors: true)
    }

    private func refusal(_ error: EngineClientError) -> CommandExit {
        guard verb == "run" else { return CommandExit(code: 1, message: CommandFailure.text(error)) }
        return CommandExit(code: Self.code(of: error.message), message: "martlet: \(CommandFailure.text(error))")
    }

    /// 127 for a program that is not there, 126 for one that cannot be run, 125 for everything else.
    static func code(of message: String) -> Int32 {
        let text = message.lowercased()
        if text.contains("executable file not found") || text.contains("no such file or directory") { return 127 }
        if text.contains("permission denied") || text.contains("is a directory") { return 126 }
        return 125
    }
}

/// A container that the program stays with until it ends.
struct AttachedContainer {
    let engine: EngineClient
    let id: String
    let hasTerminal: Bool
    let takesInput: Bool
    var givesOutput = true
    var givesErrors = true
    var detachKeys: String?
    let proxiesSignals: Bool
    /// Whether the container goes when it ends.
    var isRemoved = false

    /// Attaches, starts it where `start` is given, and ends the program with the container's exit code.
    func run(start: (() async throws -> Void)? = nil) async throws {
        let keys = try DetachKeys(parsing: detachKeys)
        let name = EngineClient.escape(id)
        var query = [("stream", "1")]
        for (flag, isOn) in [("stdin", takesInput), ("stdout", givesOutput), ("stderr", givesErrors)] where isOn {
            query.append((flag, "1"))
        }
        if let detachKeys { query.append(("detachKeys", detachKeys)) }
        let stream = try await engine.hijack("POST", "/containers/\(name)/attach", query: query)
        let condition = isRemoved ? "removed" : start == nil ? "not-running" : "next-exit"
        let end = try await engine.perform("POST", "/containers/\(name)/wait", query: [("condition", condition)])
        try await start?()
        let signals = proxiesSignals ? try passSignals() : nil
        defer { signals?.cancel() }
        let engine = engine
        let attachment = Attachment(
            stream: stream, hasTerminal: hasTerminal, takesInput: takesInput, detachKeys: keys
        ) { rows, columns in
            _ = try? await engine.json(
                "POST", "/containers/\(name)/resize", query: [("h", String(rows)), ("w", String(columns))])
        }
        if try await attachment.run() == .detached {
            Output.error("read escape sequence")
            return
        }
        let result = try JSONValue(parsing: try await end.bytes())
        if let message = result.at("Error", "Message")?.string, !message.isEmpty {
            throw CommandExit(code: 125, message: "martlet: \(message)")
        }
        let code = Int32(truncatingIfNeeded: result.number("StatusCode"))
        if code != 0 { throw CommandExit(code: code) }
    }

    private func passSignals() throws -> Task<Void, Never> {
        let signals = try SignalStream.watch([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2])
        let (engine, name) = (engine, EngineClient.escape(id))
        return Task {
            for await number in signals {
                _ = try? await engine.json("POST", "/containers/\(name)/kill", query: [("signal", String(number))])
            }
        }
    }
}
