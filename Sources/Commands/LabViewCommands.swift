import ArgumentParser
import Glibc
import Lab
import LinuxSystem

/// `martlet lab ls`: the hosts of all labs, or of one.
struct LabListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "Lists labs and their hosts.")

    @OptionGroup var choice: LabChoice

    @Option(
        name: .long,
        help: """
            A line for each host, of {{.Lab}}, {{.Name}}, {{.Role}}, {{.Address}}, {{.Address6}}, {{.Status}}, \
            {{.Socket}}.
            """
    )
    var format: String?

    @Flag(name: .shortAndLong, help: "Only the names of labs.")
    var quiet = false

    func run() throws {
        let labs = try choice.lab.map { [try RunningLab(name: $0)] } ?? RunningLab.list()
        if quiet {
            for lab in labs { print(lab.name) }
            return
        }
        let rows = try labs.flatMap { try $0.hosts() }.map(Self.fields)
        if let format {
            for row in rows { print(try Self.fill(format, row)) }
            return
        }
        let columns = ["Lab", "Name", "Role", "Address", "Status"]
        let table = [columns.map { $0.uppercased() }] + rows.map { row in columns.map { row[$0] ?? "" } }
        let widths = columns.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        for line in table {
            let padded = zip(line, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            print(padded.joined(separator: "   ").trimmingTrailingSpaces)
        }
    }

    private static func fields(_ host: LabHost) -> [String: String] {
        [
            "Lab": host.lab, "Name": host.name, "Role": host.role.rawValue, "Address": "\(host.address)",
            "Address6": "\(host.address6)", "Status": host.status.rawValue, "Socket": host.socketPath,
        ]
    }

    /// Puts a host's fields into a template of `{{.Field}}`.
    static func fill(_ template: String, _ fields: [String: String]) throws -> String {
        var result = ""
        var rest = template.replacing("\\t", with: "\t").replacing("\\n", with: "\n")[...]
        while let open = rest.firstRange(of: "{{") {
            result += rest[..<open.lowerBound]
            guard let end = rest[open.upperBound...].firstRange(of: "}}") else {
                throw ValidationError("the template \"\(template)\" lacks a }}")
            }
            let inner = rest[open.upperBound..<end.lowerBound].filter { $0 != " " }
            guard inner.hasPrefix("."), let value = fields[String(inner.dropFirst())] else {
                let known = fields.keys.sorted().map { "{{.\($0)}}" }.joined(separator: ", ")
                throw ValidationError("the template knows \(known), not {{\(inner)}}")
            }
            result += value
            rest = rest[end.upperBound...]
        }
        return result + rest
    }
}

extension String {
    fileprivate var trimmingTrailingSpaces: String {
        var text = self[...]
        while text.last == " " { text = text.dropLast() }
        return String(text)
    }
}

/// `martlet lab env HOST`: for a shell's eval.
struct LabEnvironmentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "env", abstract: "Prints the line that points the docker CLI and martlet at a host: eval it.")

    @OptionGroup var choice: LabChoice
    @Argument var host: String

    func run() throws { print("export DOCKER_HOST=unix://\(try choice.find().host(host).socketPath)") }
}

/// `martlet lab exec HOST -- COMMAND`.
struct LabExecCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec",
        abstract: "Runs a program on a host, or on \"underlay\", and ends with its exit code.")

    @OptionGroup var choice: LabChoice
    @Argument(help: "A host, or underlay.")
    var host: String
    @Argument(parsing: .captureForPassthrough, help: "-- and the program with its arguments.")
    var command: [String] = []

    func run() throws {
        let program = command.first == "--" ? Array(command.dropFirst()) : command
        guard !program.isEmpty else { throw ValidationError("name the program: martlet lab exec \(host) -- PROGRAM") }
        try choice.find().becomeProcess(on: host, program)
    }
}

/// `martlet lab logs HOST`: what the host's daemon said.
struct LabLogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Prints the log of a host's daemon.")

    @OptionGroup var choice: LabChoice
    @Flag(name: .shortAndLong, help: "Go on printing what is added.")
    var follow = false
    @Argument var host: String

    func run() async throws {
        let path = try choice.find().logPath(host)
        if !follow, Files.exists(path + ".1") { try print(file: path + ".1") }
        var offset = 0
        repeat {
            offset = try print(file: path, from: offset)
            if follow { try await Task.sleep(for: .milliseconds(200)) }
        } while follow
    }

    /// Prints a file from `offset` on, from its beginning where it is shorter; returns where it ends.
    @discardableResult
    private func print(file path: String, from offset: Int = 0) throws -> Int {
        guard Files.exists(path) else { return 0 }
        let bytes = try Files.read(path)
        let start = offset <= bytes.count ? offset : 0
        try Bytes.writeAll(1, Array(bytes[start...]))
        return bytes.count
    }
}
