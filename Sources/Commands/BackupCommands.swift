import ArgumentParser
import EngineClient
import Glibc
import JSON
import LinuxSystem
import Values

/// Where a passphrase comes from: a file, or the terminal; never an argument, which others can see.
struct PassphraseOptions: ParsableArguments {
    @Option(name: .customLong("passphrase-file"), help: "A file whose first line is the passphrase.")
    var file: String?

    static let header = "X-Martlet-Passphrase"

    /// - Parameter isNew: it is asked for twice.
    func headers(isNew: Bool) throws -> [(String, String)] {
        let bytes: [UInt8]
        if let file {
            bytes = Array(try Files.read(file).prefix { $0 != 0x0a })
        } else {
            bytes = try Self.ask("Passphrase: ")
            if isNew, try Self.ask("Once more: ") != bytes {
                throw CommandExit(code: 1, message: "the passphrases differ")
            }
        }
        guard !bytes.isEmpty else { throw CommandExit(code: 1, message: "a passphrase cannot be empty") }
        return [(Self.header, Base64.encode(bytes))]
    }

    private static func ask(_ question: String) throws -> [UInt8] {
        guard TerminalMode.isInput else {
            throw CommandExit(code: 1, message: "there is no terminal to ask on: use --passphrase-file")
        }
        let restore = TerminalMode.hideInput()
        defer { restore() }
        Output.error(question)
        return Array((readLine() ?? "").utf8)
    }
}

/// `cluster backup FILE`.
struct ClusterBackupCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Writes the whole cluster's state into a file, while changes go on.",
        discussion: "The file holds the CA's key and the join tokens: encrypt it, or keep it like a key.")

    @Flag(help: "Encrypt it with a passphrase.") var encrypt = false
    @OptionGroup var passphrase: PassphraseOptions
    @Argument(help: "The file.") var file: String

    func run() async throws {
        let headers = encrypt || passphrase.file != nil ? try passphrase.headers(isNew: true) : []
        let response = try await engine.perform("POST", "/martlet/backup", headers: headers)
        // The whole backup or none: a name that is there already keeps what it had until the end.
        let partial = file + ".partial-\(getpid())"
        do {
            let target = try Descriptor.open(partial, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            while let bytes = try await response.next() { try Bytes.writeAll(target.rawValue, bytes) }
            try syscall("fsync", on: partial) { fsync(target.rawValue) }
            try Files.rename(partial, to: file)
        } catch {
            unlink(partial)
            throw error
        }
        Output.line(
            "Wrote cluster \(response.header("Martlet-Cluster") ?? "") at revision "
                + "\(response.header("Martlet-Revision") ?? "") to \(file).")
    }
}

/// `cluster restore FILE`.
struct ClusterRestoreCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Makes this host, which is in no cluster, the manager of a backup's cluster.")

    @Option(name: .customLong("listen-addr"), help: "Where to listen for other hosts, address:port.")
    var listen = "0.0.0.0:2377"
    @Option(name: .customLong("advertise-addr"), help: "The address that other hosts use.") var advertise: String?
    @OptionGroup var passphrase: PassphraseOptions
    @Argument(help: "The file.") var file: String

    func run() async throws {
        var headers = passphrase.file == nil ? [] : try passphrase.headers(isNew: false)
        let answer: JSONValue
        do {
            answer = try await send(headers)
        } catch let error as EngineClientError where error.status == 401 && headers.isEmpty && TerminalMode.isInput {
            headers = try passphrase.headers(isNew: false)
            answer = try await send(headers)
        }
        Output.line("Restored cluster \(answer.text("ClusterID")) as of \(answer.text("Time")).")
        Output.line(
            "This host is its only manager. Workers that reach it at the address that they know come back by "
                + "themselves;\nother hosts leave the swarm and join again (martlet swarm join-token).")
    }

    private func send(_ headers: [(String, String)]) async throws -> JSONValue {
        let source = FileSource(try Descriptor.open(file, O_RDONLY).release())
        let response = try await engine.perform(
            "POST", "/martlet/restore", query: [("listenAddr", listen), ("advertiseAddr", advertise ?? "")],
            headers: headers,
            body: .stream(contentType: "application/octet-stream") { try source.next() })
        return try JSONValue(parsing: try await response.bytes())
    }

    /// A file that is read piece by piece.
    private final class FileSource: Sendable {
        private let descriptor: Int32

        init(_ descriptor: Int32) { self.descriptor = descriptor }

        deinit { close(descriptor) }

        func next() throws -> [UInt8]? {
            let bytes = try Bytes.read(descriptor, upTo: 1 << 18)
            return bytes.isEmpty ? nil : bytes
        }
    }
}

/// `cluster rotate-keys`.
struct ClusterRotateKeysCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-keys",
        abstract: "Makes a new key for what the cluster keeps sealed: secrets, the CA's key, the join tokens.")

    func run() async throws {
        let answer = try await engine.json("POST", "/martlet/keys/rotate")
        Output.line("Every manager has the new data key \(answer.text("KeyID")): what is sealed is sealed anew.")
    }
}

/// `cluster recover`.
struct ClusterRecoverCommand: EngineCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Makes this manager the only one, after the others were lost for good; says first what could be lost."
    )

    @Flag(name: .shortAndLong, help: "Do it.") var yes = false
    @Option(name: .customLong("advertise-addr"), help: "The address that other hosts use from now on.")
    var advertise: String?

    func run() async throws {
        let report = try await engine.json("GET", "/martlet/recovery")
        Output.text(Self.text(report))
        guard yes else {
            return Output.line("Nothing was done. With --yes this manager goes on alone with what it has.")
        }
        try await engine.json("POST", "/martlet/recovery", query: advertise.map { [("advertiseAddr", $0)] } ?? [])
        Output.line("This host is the cluster's only manager now.")
    }

    static func text(_ report: JSONValue) -> String {
        var text =
            "This manager has the log up to index \(report.number("LastIndex")) of term \(report.number("Term")); it "
            + "knows\nthat everything up to \(report.number("CommittedIndex")) was acknowledged, the last of it at "
            + "\(report.text("Time")).\n"
        for manager in report.list("Managers") {
            let name = manager.text("Hostname").isEmpty ? manager.text("NodeID") : manager.text("Hostname")
            let heard =
                manager["Reachable"] == true
                ? "is heard now"
                : manager.text("LastHeard").isEmpty
                    ? "was not heard since \(report.text("StartedAt"))"
                    : "was heard last at \(manager.text("LastHeard"))"
            text += "  \(name) (\(manager.text("Address"))) \(heard)\n"
        }
        text += "What the others acknowledged among themselves after that would be lost.\n"
        if report["HasLeader"] == true {
            text += "WARNING: the cluster has a leader. A recovery would tear it apart: nothing has to be recovered.\n"
        }
        return text
    }
}
