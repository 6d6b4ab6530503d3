import Glibc
import LinuxSystem
import TestSupport
import Testing

extension EngineSystemTests {
    /// `martlet lab` as people type it: a lab of one host, from its making to its end.
    @Suite(.enabled(if: EngineHost.isPossible, EngineHost.possibleReason))
    struct LabProgramTests {
        private let martlet = (EngineHost.programs ?? "") + "/martlet"
        private let lab = "e\(getpid())-program"

        private func run(_ words: String..., input: [UInt8] = []) async throws -> Command {
            try await Command.run(
                [martlet] + words, input: input, environment: ["DOCKER_HOST=unix:///nonexistent/engine"])
        }

        /// The same where it has to succeed; its output without the last line feed.
        private func output(
            _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
        ) async throws -> String {
            let done = try await Command.run(
                [martlet] + words, environment: ["DOCKER_HOST=unix:///nonexistent/engine"])
            try #require(
                done.succeeded, "\(words): \(done.code) \(done.errorOutput)", sourceLocation: sourceLocation)
            return done.output.trimmed
        }

        @Test("The verbs of martlet lab make a host, show it, reach it, end and start it, and take it away")
        func verbs() async throws {
            let files = try TemporaryDirectory("program")
            try files.write(
                "lab.yml",
                """
                name: other
                hosts: [{name: h1}]
                underlay: {ipv4: 10.84.0.0/24, ipv6: "fd84::/64"}
                """)
            var traces = LabTraces(of: lab)
            let made = try await output("lab", "up", "--no-swarm", "-f", files.path("lab.yml"), "--name", lab)
            do {
                #expect(made.contains("lab \(lab): 1 host on 10.84.0.0/24") && made.contains("h1 runs at 10.84.0.11"))
                traces.note()
                try await drive(files)
            } catch {
                _ = try? await run("lab", "down", lab)
                throw error
            }
            #expect(try await output("lab", "down", lab) == "lab \(lab) is down")
            #expect(try await traces.left() == [])
            #expect(try await !output("lab", "ls", "--quiet").split(separator: "\n").map(String.init).contains(lab))
            let again = try await run("lab", "down", lab)
            #expect(again.code == 1 && again.errorOutput.contains("there is no lab \"\(lab)\""))
        }

        private func drive(_ files: TemporaryDirectory) async throws {
            func status() async throws -> String {
                try await output("lab", "ls", "--lab", lab, "--format", "{{.Status}}")
            }
            let twice = try await run("lab", "up", "--no-swarm", "-f", files.path("lab.yml"), "--name", lab)
            #expect(twice.code == 1 && twice.errorOutput.contains("is there already"), "\(twice.errorOutput)")
            #expect(try await output("lab", "ls", "--quiet").split(separator: "\n").map(String.init).contains(lab))
            let listed = try await output(
                "lab", "ls", "--lab", lab, "--format", "{{.Lab}} {{.Name}} {{.Role}} {{.Address}} {{.Status}}")
            #expect(listed == "\(lab) h1 manager 10.84.0.11 running")
            let socket = try await output("lab", "ls", "--lab", lab, "--format", "{{.Socket}}")

            // The engine, by a shell's environment and by -H, which goes before DOCKER_HOST.
            let line = try await output("lab", "env", "--lab", lab, "h1")
            #expect(line == "export DOCKER_HOST=unix://\(socket)")
            let evaluated = try await Command.run(
                [
                    "sh", "-c", "eval \"$1\" && \"$0\" info --format '{{.Name}} {{.Swarm.LocalNodeState}}'", martlet,
                    line,
                ])
            #expect(evaluated.output == "h1 inactive\n", "--no-swarm: \(evaluated.errorOutput)")
            let engine = "unix://\(socket)"
            #expect(try await output("-H", engine, "info", "--format", "{{.Name}}") == "h1")
            #expect(try await output("--host", engine, "info", "--format", "{{.Name}}") == "h1")
            let nobody = try await run("info")
            #expect(nobody.code == 1 && nobody.errorOutput.contains("unix:///nonexistent/engine"))

            #expect(try await output("lab", "exec", "--lab", lab, "h1", "--", "hostname") == "h1")
            let typed = try await run("lab", "exec", "--lab", lab, "underlay", "--", "cat", input: Array("typed".utf8))
            #expect(typed.output == "typed")
            #expect(try await run("lab", "exec", "--lab", lab, "h1", "--", "sh", "-c", "exit 7").code == 7)

            try Files.write(files.path("box.tar"), TestImage.base(named: EngineHost.image))
            _ = try await output("-H", engine, "load", "-i", files.path("box.tar"))
            let box = try await output(
                "-H", engine, "run", "-d", "--restart", "always", "--publish", "8080:80", EngineHost.image, "httpd",
                "-f", "-p", "80", "-h", "/data")
            let said = try await output("lab", "forward", "--lab", lab, "0:8080")
            let words = said.split(separator: " ", maxSplits: 1)
            #expect(words.last == "leads to port 8080 of lab \(lab)")
            let address = try #require(words.first.map(String.init))
            func fetch() async throws -> String {
                try await Command.run(["curl", "-sS", "-m", "2", "http://\(address)/seed"]).output
            }
            try await waitUntil("the machine's own port answers") { try await fetch() == "seed\n" }

            for stop in [["lab", "stop", "--lab", lab, "h1"], ["lab", "stop", "--kill", "--lab", lab, "h1"]] {
                let stopped = try await Command.run([martlet] + stop)
                #expect(stopped.succeeded, "\(stop): \(stopped.errorOutput)")
                #expect(try await status() == "stopped")
                #expect(try await run("-H", engine, "info").code == 1)
                #expect(try await fetch() == "seed\n", "its container goes on")
                _ = try await output("lab", "start", "--lab", lab, "h1")
                #expect(try await status() == "running")
            }
            _ = try await output("lab", "kill", "--lab", lab, "h1")
            #expect(try await status() == "off")
            #expect(try await fetch() == "")
            let off = try await run("lab", "exec", "--lab", lab, "h1", "--", "true")
            #expect(off.code != 0 && off.errorOutput.contains("h1"), "\(off.errorOutput)")
            _ = try await output("lab", "start", "--lab", lab, "h1")
            #expect(try await status() == "running")
            #expect(try await output("-H", engine, "ps", "--no-trunc", "--quiet") == box, "booted on its data")
            try await waitUntil("its container serves again") { try await fetch() == "seed\n" }
            let local = String(address.split(separator: ":").last ?? "")
            _ = try await output("lab", "forward", "--lab", lab, "--end", local)
            try await waitUntil("the port is closed") { try await fetch() == "" }
            let unknown = try await run("lab", "start", "--lab", lab, "h9")
            #expect(unknown.code == 1 && unknown.errorOutput.contains("it has h1"), "\(unknown.errorOutput)")
            #expect(try await output("lab", "logs", "--lab", lab, "h1").contains("\n"))
        }
    }
}
