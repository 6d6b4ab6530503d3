import EngineClient
import JSON
import LinuxSystem
import TestSupport
import Testing

extension EngineSystemTests {
    /// A container's life, and what clients see of it.
    @Suite(.enabled(if: EngineHost.isDriven, EngineHost.drivenReason))
    struct ProcessTests {
        @Test func logs() async throws {
            try await EngineHost.with("logs") { host in
                try await host.docker(
                    "run", "-d", "--name", "talker", EngineHost.image, "sh", "-c",
                    "echo one; until test -f /two; do usleep 20000; done; echo two >&2; "
                        + "until test -f /go; do usleep 20000; done; echo late")
                try await waitUntil("the first line is there") { try await host.docker("logs", "talker") == "one" }
                // The outputs have a pipe each: only one after the other they have an order.
                try await host.docker("exec", "talker", "touch", "/two")
                try await waitUntil("both lines are there") {
                    let seen = try await host.attempt(["logs", "talker"])
                    return seen.output == "one\n" && seen.errorOutput == "two\n"
                }
                #expect(try await host.attempt(["logs", "--tail", "1", "talker"]).errorOutput == "two\n")
                let stamped = try await host.docker("logs", "-t", "talker")
                #expect(stamped.hasSuffix("Z one") && stamped.hasPrefix("20"))
                let time = String(stamped.prefix { $0 != " " })
                #expect(try await host.docker("logs", "--until", time, "talker") == "one")
                #expect(try await host.docker("logs", "--since", "2100-01-01T00:00:00Z", "talker") == "")
                // A follower gets what is there and what comes, and ends with the container.
                async let followed = host.attempt(["logs", "-f", "talker"])
                try await host.docker("exec", "talker", "touch", "/go")
                #expect(try await host.docker("wait", "talker") == "0")
                #expect(try await followed.output == "one\nlate\n")
            }
        }

        @Test func logsAreBounded() async throws {
            try await EngineHost.with("bounded") { host in
                try await host.docker(
                    "run", "--name", "flood", "--log-opt", "max-size=20k", "--log-opt", "max-file=3", "-d",
                    EngineHost.image, "sh", "-c", "yes 0123456789 | head -5000; echo last")
                #expect(try await host.docker("wait", "flood") == "0")
                let directory = "/var/lib/martlet/containers/" + (try await host.inspect("flood", ".Id"))
                let sizes = try await host.exec("sh", "-c", "stat -c %s \(directory)/json.log*").output
                    .split(separator: "\n").compactMap { Int($0) }
                #expect((2...3).contains(sizes.count) && sizes.allSatisfy { $0 <= 20_480 }, "\(sizes)")
                let lines = try await host.docker("logs", "flood").split(separator: "\n")
                #expect(lines.last == "last" && lines.count < 2000 && lines.count > 100)
                let none = try await host.docker(
                    "run", "-d", "--name", "silent", "--log-driver", "none", EngineHost.image, "echo", "x")
                #expect(none.utf8.count == 64)
                _ = try await host.docker("wait", "silent")
                #expect(try await host.attempt(["logs", "silent"]).code == 1)
            }
        }

        @Test func exec() async throws {
            try await EngineHost.with("exec") { host in
                try await host.docker("run", "-d", "--name", "box", "-e", "A=1", EngineHost.image, "sleep", "1000")
                #expect(try await host.attempt(["exec", "box", "sh", "-c", "exit 9"]).code == 9)
                #expect(
                    try await host.docker(
                        "exec", "-e", "B=2", "-w", "/tmp", "-u", "bob", "box", "sh", "-c", "echo $A$B; pwd; id -u")
                        == "12\n/tmp\n1000")
                #expect(
                    try await host.attempt(["exec", "-i", "box", "cat"], input: Array("through".utf8)).output
                        == "through")
                try await host.docker("exec", "-d", "box", "sh", "-c", "echo done >/tmp/mark")
                try await waitUntil("the detached one ran") {
                    try await host.attempt(["exec", "box", "cat", "/tmp/mark"]).output == "done\n"
                }
                let absent = try await host.attempt(["exec", "box", "absent"])
                #expect(absent.code == 127 && absent.output.contains("executable file not found in $PATH"))
                let data = try await host.attempt(["exec", "box", "/etc/passwd"])
                #expect(data.code == 126 && data.output.contains("permission denied"))
                try await host.docker("pause", "box")
                #expect(try await host.inspect("box", ".State.Status") == "paused")
                #expect(try await host.attempt(["exec", "box", "true"]).errorOutput.contains("is paused, unpause"))
                try await host.docker("unpause", "box")
                try await host.docker("exec", "box", "true")
                try await host.docker("stop", "-t", "0", "box")
                #expect(try await host.attempt(["exec", "box", "true"]).errorOutput.contains("is not running"))
            }
        }

        @Test func signalsAndGrace() async throws {
            try await EngineHost.with("signals") { host in
                try await host.docker(
                    "run", "-d", "--name", "polite", EngineHost.image, "sh", "-c",
                    "trap 'echo hup' HUP; trap 'echo bye; exit 5' TERM; echo set; while :; do usleep 20000; done")
                try await waitUntil("its traps are set") { try await host.docker("logs", "polite") == "set" }
                try await host.docker("kill", "-s", "HUP", "polite")
                try await waitUntil("it heard") { try await host.docker("logs", "polite") == "set\nhup" }
                try await host.docker("stop", "polite")
                #expect(try await host.inspect("polite", ".State.ExitCode") == "5")
                #expect(try await host.docker("logs", "polite") == "set\nhup\nbye")
                // Process 1 without a handler ignores SIGTERM: the grace passes, then SIGKILL.
                try await host.docker("run", "-d", "--name", "deaf", EngineHost.image, "sleep", "1000")
                let clock = ContinuousClock()
                let taken = try await clock.measure { try await host.docker("stop", "-t", "1", "deaf") }
                #expect(taken >= .seconds(1))
                #expect(try await host.inspect("deaf", ".State.ExitCode") == "137")
                try await host.docker("start", "deaf")
                try await host.docker("restart", "-t", "0", "deaf")
                #expect(try await host.inspect("deaf", ".State.Running") == "true")
                // A wait that began before the end gives the code.
                async let code = host.docker("wait", "deaf")
                try await host.docker("kill", "deaf")
                #expect(try await code == "137")
                try await host.docker("rename", "deaf", "gone")
                try await host.docker("rm", "gone", "polite")
                #expect(try await host.docker("ps", "-aq") == "")
            }
        }

        @Test func restartPolicies() async throws {
            try await EngineHost.with("restarts") { host in
                try await host.docker(
                    "run", "-d", "--name", "twice", "--restart", "on-failure:2", EngineHost.image, "sh", "-c",
                    "echo run; exit 3")
                try await host.waitFor("twice", ".State.Status", "exited")
                #expect(try await host.inspect("twice", ".RestartCount") == "2")
                #expect(try await host.inspect("twice", ".State.ExitCode") == "3")
                #expect(try await host.docker("logs", "twice") == "run\nrun\nrun")
                try await host.docker(
                    "run", "-d", "--name", "fine", "--restart", "on-failure", EngineHost.image, "true")
                #expect(try await host.docker("wait", "fine") == "0")
                #expect(try await host.inspect("fine", ".RestartCount") == "0")
                try await host.docker(
                    "run", "-d", "--name", "always", "--restart", "always", EngineHost.image, "sh", "-c",
                    "while ! test -f /go; do usleep 20000; done; rm /go")
                try await host.docker("exec", "always", "touch", "/go")
                try await host.waitFor("always", ".RestartCount", "1")
                try await host.docker("stop", "-t", "0", "always")
                #expect(try await host.inspect("always", ".State.Status") == "exited")
            }
        }

        @Test func healthEventsAndFigures() async throws {
            try await EngineHost.with("health") { host in
                // Asked for events before anything happens.
                let events = try await host.client.perform("GET", "/events").jsonLines()
                try await host.docker(
                    "run", "-d", "--name", "box", "--health-cmd", "test -f /ok", "--health-interval", "100ms",
                    "--health-retries", "2", EngineHost.image, "sleep", "1000")
                try await host.waitFor("box", ".State.Health.Status", "unhealthy")
                #expect(try await host.docker("ps", "--filter", "health=unhealthy", "--format", "{{.Names}}") == "box")
                try await host.docker("exec", "box", "touch", "/ok")
                try await host.waitFor("box", ".State.Health.Status", "healthy")
                #expect(try await host.inspect("box", ".State.Health.FailingStreak") == "0")
                #expect(try await host.docker("top", "box").contains("sleep 1000"))
                let figures = try await host.docker(
                    "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", "box")
                #expect(
                    figures.hasPrefix("box ") && figures.contains("iB / ") && !figures.hasPrefix("box 0B"), "\(figures)"
                )
                try await host.docker("rm", "-f", "box")
                var seen: [String] = []
                for try await event in events {
                    guard let type = event["Type"]?.string, let action = event["Action"]?.string else { continue }
                    seen.append(type + " " + action)
                    if action == "destroy" { break }
                }
                let wanted = [
                    "container create", "network connect", "container start", "container health_status: unhealthy",
                    "container health_status: healthy", "container kill", "container die", "container destroy",
                ]
                #expect(seen.filter(wanted.contains) == wanted, "\(seen)")
            }
        }

        @Test func attachEndsInputWithoutEndingOutput() async throws {
            try await EngineHost.with("attach") { host in
                // attach(POST): its own end of input is the process's, and the output still comes.
                let created = try await host.client.json(
                    "POST", "/containers/create",
                    body: [
                        "Image": .string(EngineHost.image), "Cmd": ["sh", "-c", "cat; echo err >&2; echo end"],
                        "OpenStdin": true, "StdinOnce": true, "AttachStdin": true,
                    ])
                let id = try #require(created["Id"]?.string)
                let stream = try await host.client.hijack(
                    "POST", "/containers/\(id)/attach",
                    query: [("stream", "1"), ("stdin", "1"), ("stdout", "1"), ("stderr", "1")])
                #expect(stream.isMultiplexed)
                try await host.client.perform("POST", "/containers/\(id)/start").close()
                try await stream.write(Array("hello\n".utf8))
                try await stream.closeInput()
                var frames = OutputFrames()
                var output: [UInt8: String] = [:]
                while let bytes = try await stream.read() {
                    for frame in try frames.feed(bytes) {
                        output[frame.kind, default: ""] += String(decoding: frame.payload, as: UTF8.self)
                    }
                }
                #expect(output == [1: "hello\nend\n", 2: "err\n"])
                try await host.docker(
                    "create", "-i", "--name", "later", EngineHost.image, "sh", "-c", "read x; echo $x")
                let started = try await host.attempt(["start", "-ai", "later"], input: Array("typed\n".utf8))
                #expect(started.output == "typed\n" && started.code == 0)
            }
        }
    }
}
