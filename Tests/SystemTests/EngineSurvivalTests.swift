import LinuxSystem
import TestSupport
import Testing

extension EngineSystemTests {
    /// What the daemon's end, its death and the host's own leave of containers.
    @Suite(.enabled(if: EngineHost.isDriven, EngineHost.drivenReason))
    struct SurvivalTests {
        /// Runs `program` in a container's namespaces without the daemon.
        private func enter(_ host: EngineHost, _ pid: String, _ program: String...) async throws -> String {
            let done = try await host.lab.exec(on: EngineHost.name, ["nsenter", "-t", pid, "-m", "-n"] + program)
            return String(decoding: done.output, as: UTF8.self)
        }

        @Test(arguments: [false, true]) func containersOutliveTheDaemon(isKilled: Bool) async throws {
            try await EngineHost.with(isKilled ? "killed" : "stopped") { host in
                try await host.docker("network", "create", "back")
                try await host.docker(
                    "run", "-d", "--name", "server", "--network", "back", "-p", "8080:80", EngineHost.image, "sh", "-c",
                    "nc -l -p 90 -e cat & exec httpd -f -p 80 -h /data")
                try await host.docker(
                    "run", "-d", "--name", "client", "--network", "back", EngineHost.image, "sh", "-c",
                    // One connection, used before, during and after the daemon's absence.
                    "mkfifo /in; nc server 90 </in >/out & exec 3>/in; echo before >&3; echo ready; exec sleep 1000")
                try await host.docker(
                    "run", "-d", "--name", "ender", EngineHost.image, "sh", "-c",
                    "while ! test -f /tmp/go; do usleep 20000; done; echo last words; exit 42")
                try await host.docker("run", "-d", "--name", "stays", EngineHost.image, "sleep", "1000")
                let pid = try await host.inspect("client", ".State.Pid")
                let ender = try await host.inspect("ender", ".State.Pid")
                try await waitUntil("the connection stands") { try await enter(host, pid, "cat", "/out") == "before\n" }

                try await host.lab.stop(EngineHost.name, kill: isKilled)
                // Names, published ports and the open connection go on.
                #expect(try await enter(host, pid, "wget", "-qO-", "http://server/seed") == "seed\n")
                let published = try await host.exec(
                    on: "underlay", "busybox", "wget", "-qO-", "http://\(host.address):8080/seed")
                #expect(published.output == "seed")
                _ = try await enter(host, pid, "sh", "-c", "echo during >/proc/1/root/in")
                try await waitUntil("the connection goes on") {
                    try await enter(host, pid, "cat", "/out") == "before\nduring\n"
                }
                // One ends while nobody looks.
                _ = try await enter(host, ender, "touch", "/tmp/go")
                try await waitUntil("it ended") { try await host.exec("test", "-d", "/proc/\(ender)").code != 0 }

                try await host.lab.start(EngineHost.name)
                #expect(try await host.docker("wait", "ender") == "42")
                #expect(try await host.inspect("ender", ".State.Status") == "exited")
                #expect(try await host.docker("logs", "ender") == "last words")
                #expect(try await host.inspect("client", ".State.Pid") == pid)
                #expect(
                    try await host.docker("ps", "--format", "{{.Names}}").split(separator: "\n").sorted()
                        == ["client", "server", "stays"])
                #expect(try await host.docker("logs", "client") == "ready")
                try await host.docker("exec", "client", "sh", "-c", "echo after >/in")
                try await waitUntil("the connection still stands") {
                    try await host.docker("exec", "client", "cat", "/out") == "before\nduring\nafter"
                }
                // The daemon is their master again: it ends them and takes what was theirs away.
                try await host.docker("stop", "-t", "0", "stays")
                #expect(try await host.inspect("stays", ".State.ExitCode") == "137")
                try await host.docker("rm", "-f", "server", "client", "stays", "ender")
                try await host.docker("network", "rm", "back")
                #expect(try await host.exec("ls", "/run/martlet/netns").output == "")
                #expect(
                    try await host.exec(
                        on: "underlay", "busybox", "wget", "-qO-", "http://\(host.address):8080/seed"
                    ).code != 0)
            }
        }

        @Test func rebootOfTheHost() async throws {
            try await EngineHost.with("reboot") { host in
                try await host.docker("network", "create", "back")
                for (name, policy) in [
                    ("always", "always"), ("unless", "unless-stopped"), ("stopped", "unless-stopped"), ("plain", "no"),
                ] {
                    try await host.docker(
                        "run", "-d", "--name", name, "--restart", policy, "--network", "back", "-v", "kept:/kept",
                        EngineHost.image, "sh", "-c",
                        "echo \(name) >>/own; echo \(name) >>/kept/\(name); exec sleep 1000")
                }
                for name in ["always", "unless", "stopped", "plain"] {
                    try await waitUntil("\(name) wrote") {
                        try await host.attempt(["exec", name, "cat", "/kept/\(name)"]).succeeded
                    }
                }
                try await host.docker("stop", "-t", "0", "stopped")
                // What was written is on the disk: a host that is killed here loses no page cache.
                try await host.lab.kill(EngineHost.name)
                try await host.lab.start(EngineHost.name)
                try await host.waitFor("always", ".State.Status", "running")
                try await host.waitFor("unless", ".State.Status", "running")
                #expect(try await host.inspect("stopped", ".State.Status") == "exited")
                #expect(try await host.inspect("plain", ".State.Status") == "exited")
                #expect(try await host.inspect("plain", ".State.ExitCode") != "0")
                // The container's own layer, its volume and its network are the old ones.
                try await waitUntil("it ran a second time") {
                    try await host.docker("exec", "always", "cat", "/own", "/kept/always")
                        == "always\nalways\nalways\nalways"
                }
                #expect(
                    try await host.docker("exec", "always", "ping", "-c", "1", "unless").contains("1 packets received"))
                try await host.docker("start", "plain")
                #expect(try await host.docker("exec", "plain", "cat", "/kept/plain") != "")
                #expect(try await host.docker("image", "ls", "-q").split(separator: "\n").count == 1)
            }
        }
    }
}
