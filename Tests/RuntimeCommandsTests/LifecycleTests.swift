import Glibc
import JSON
import LinuxSystem
import TestSupport
import Testing

/// runtime.md: State, Lifecycle, Operations.
@Suite(.bundles) struct LifecycleTests {
    @Test func `the whole life: created, running, stopped, gone (runtime.md: Lifecycle)`() async throws {
        try await withBundles("life") { fixture in
            let bundle = try fixture.prepare("c", "touch /data/started; exec sleep 1000") {
                $0.annotations = ["org.example.key": "value", "other": ""]
            }
            try await fixture.succeed("create", "--bundle", bundle, "c")
            var state = try await fixture.state("c")
            #expect(state["status"] == "created")
            #expect(state["id"] == "c")
            #expect(state["bundle"]?.string == bundle)
            #expect(state["ociVersion"]?.string?.hasPrefix("1.") == true)
            #expect(state["annotations"]?["org.example.key"] == "value")
            let pid = pid_t(try #require(state["pid"]?.integer))
            #expect(isAlive(pid))
            #expect(!Files.exists(fixture.inRoot("c", "/data/started")), "the process waits for start")

            try await fixture.succeed("start", "c")
            try await fixture.waitFile(fixture.inRoot("c", "/data/started"))
            state = try await fixture.state("c")
            #expect(state["status"] == "running")
            #expect(state["pid"]?.integer == Int64(pid))

            try await fixture.succeed("kill", "c", "KILL")
            try await fixture.waitStatus("c", "stopped")
            state = try await fixture.state("c")
            #expect(state["pid"]?.integer ?? 0 == 0, "runtime.md: State: a pid only where there is a process")
            #expect(!isAlive(pid))

            try await fixture.succeed("delete", "c")
            try await fixture.expectNothingLeft("c")
            let unknown = try await fixture.command("state", "c")
            #expect(unknown.code == 1)
            #expect(unknown.errors.contains("does not exist"), "\(unknown)")
        }
    }

    @Test func `one id is created once, and the container goes on (runtime.md: Create)`() async throws {
        try await withBundles("twice") { fixture in
            let pid = try await fixture.launch("c")
            let again = try await fixture.command("create", "--bundle", fixture.bundle("c"), "c")
            #expect(again.code == 1)
            #expect(again.errors.contains("exist"), "\(again)")
            let same = try await fixture.pid("c")
            #expect(same == pid)
            #expect(isAlive(pid))
            #expect(try await fixture.exec("c", "echo here").line == "here")
        }
    }

    @Test func `start wants a created container (runtime.md: Start)`() async throws {
        try await withBundles("start") { fixture in
            let pid = try await fixture.launch("c")
            let again = try await fixture.command("start", "c")
            #expect(again.code == 1)
            #expect(isAlive(pid))
            try await fixture.stop("c")
            let ended = try await fixture.command("start", "c")
            #expect(ended.code == 1)
            #expect(!ended.errors.isEmpty)
            #expect(try await fixture.state("c")["status"] == "stopped")
        }
    }

    @Test func `a start that is killed after its word has started the container (runtime.md: State)`() async throws {
        try await withBundles("halfstart") { fixture in
            try await fixture.create("c", "touch /data/started; exec sleep 1000")
            let pid = try await fixture.pid("c")
            // All that start does before it takes the gate away.
            let gate = fixture.stateRoot + "/c/start.sock"
            let start = try UnixSocket.connect(gate)
            try Bytes.writeAll(start.rawValue, [1])
            #expect(try Bytes.readToEnd(start.rawValue, limit: 1 << 16) == [])
            try await fixture.waitFile(fixture.inRoot("c", "/data/started"))
            #expect(Files.exists(gate))
            let status = try await fixture.state("c")["status"]
            #expect(status == "running")
            #expect(try await fixture.exec("c", "echo here").line == "here")
            let again = try await fixture.command("start", "c")
            #expect(again.code == 1 && again.errors.contains("already running"), "\(again)")
            #expect(isAlive(pid))
            try await fixture.stop("c")
            try await fixture.succeed("delete", "c")
        }
    }

    @Test func `a start that is killed before its word leaves a container that can be started`() async throws {
        try await withBundles("unsaid") { fixture in
            try await fixture.create("c", "touch /data/started; exec sleep 1000")
            for _ in 0..<3 { _ = try UnixSocket.connect(fixture.stateRoot + "/c/start.sock") }
            let status = try await fixture.state("c")["status"]
            #expect(status == "created")
            #expect(!Files.exists(fixture.inRoot("c", "/data/started")))
            try await fixture.succeed("start", "c")
            try await fixture.waitFile(fixture.inRoot("c", "/data/started"))
        }
    }

    @Test func `asking for the state does not start a container, nor take its gate away`() async throws {
        try await withBundles("asked") { fixture in
            try await fixture.create("c", "touch /data/started; exec sleep 1000")
            for _ in 0..<5 {
                let status = try await fixture.state("c")["status"]
                #expect(status == "created")
            }
            #expect(!Files.exists(fixture.inRoot("c", "/data/started")))
            try await fixture.succeed("start", "c")
            try await fixture.waitFile(fixture.inRoot("c", "/data/started"))
        }
    }

    @Test func `kill of a stopped container is an error (runtime.md: Kill)`() async throws {
        try await withBundles("killed") { fixture in
            try await fixture.launch("c")
            try await fixture.stop("c")
            let result = try await fixture.command("kill", "c", "KILL")
            #expect(result.code == 1)
            #expect(result.errors.contains("not running"), "\(result)")
        }
    }

    @Test func `delete of a running container is refused, with --force not (runtime.md: Delete)`() async throws {
        try await withBundles("delete") { fixture in
            let pid = try await fixture.launch("c")
            let result = try await fixture.command("delete", "c")
            #expect(result.code == 1)
            #expect(result.errors.contains("not stopped"), "\(result)")
            #expect(isAlive(pid))
            try await fixture.succeed("delete", "--force", "c")
            try await fixture.expectNothingLeft("c")
            #expect(!isAlive(pid))
        }
    }

    @Test func `a created container can be killed and deleted (runtime.md: Kill)`() async throws {
        try await withBundles("created") { fixture in
            try await fixture.create("c", "touch /data/started")
            try await fixture.stop("c")
            try await fixture.succeed("delete", "c")
            try await fixture.create("d", "touch /data/started")
            try await fixture.succeed("delete", "--force", "d")
            try await fixture.expectNothingLeft("d")
            for id in ["c", "d"] { #expect(!Files.exists(fixture.inRoot(id, "/data/started"))) }
        }
    }

    @Test(arguments: ["state", "start", "kill", "delete", "pause", "resume", "ps", "exec", "update", "events"])
    func `an unknown id is an error (runtime.md: Operations)`(command: String) async throws {
        try await withBundles("unknown") { fixture in
            let result = try await fixture.runtime([command, "nobody"] + (command == "exec" ? ["true"] : []))
            #expect(result.code == 1 || result.code == 255 && command == "exec")
            #expect(result.errors.contains("does not exist"), "\(result)")
        }
    }

    @Test func `delete --force of an unknown id succeeds, as with runc`() async throws {
        try await withBundles("force") { fixture in
            let result = try await fixture.command("delete", "--force", "nobody")
            #expect(result.code == 0, "\(result)")
        }
    }

    @Test(arguments: ["..", ".", "a/b", "a b", "ü", ""]) func `an id names a directory`(id: String) async throws {
        try await withBundles("id") { fixture in
            let bundle = try fixture.prepare("c", "true")
            let result = try await fixture.command("create", "--bundle", bundle, id)
            #expect(result.code != 0)
            #expect(!result.errors.isEmpty)
            #expect(try Files.list(fixture.stateRoot).isEmpty)
        }
    }

    @Test func `a bundle without config.json, and no bundle`() async throws {
        try await withBundles("missing") { fixture in
            for bundle in [fixture.directory.path, fixture.directory.path("nothing")] {
                let result = try await fixture.command("create", "--bundle", bundle, "c")
                #expect(result.code == 1)
                #expect(!result.errors.isEmpty)
                try await fixture.expectNothingLeft("c")
            }
        }
    }

    @Test func `create and run write --pid-file`() async throws {
        try await withBundles("pidfile") { fixture in
            let file = fixture.directory.path("pid")
            try await fixture.create("c", flags: ["--pid-file", file])
            let pid = try await fixture.pid("c")
            #expect(try Files.text(file) == "\(pid)")
            let other = fixture.directory.path("pid-run")
            let bundle = try fixture.prepare("d", "exec sleep 1000")
            try await fixture.succeed("run", "--detach", "--pid-file", other, "--bundle", bundle, "d")
            let otherPID = try await fixture.pid("d")
            #expect(try Files.text(other) == "\(otherPID)")
            #expect(try await fixture.state("d")["status"] == "running")
        }
    }

    @Test func `the process has the standard streams of create`() async throws {
        try await withBundles("streams") { fixture in
            let bundle = try fixture.prepare("c", "cat; echo error >&2")
            let created = try await fixture.succeed("create", "--bundle", bundle, "c", input: "from the host\n")
            #expect(created.output == "")
            try await fixture.succeed("start", "c")
            try await fixture.waitStatus("c", "stopped")
            #expect(created.output == "from the host\n")
            #expect(created.errors == "error\n")
        }
    }

    @Test func `run passes streams and the exit status on, and deletes the container`() async throws {
        try await withBundles("run") { fixture in
            let bundle = try fixture.prepare("c", "cat; echo error >&2; exit 7")
            let result = try await fixture.runtime(["run", "--bundle", bundle, "c"], input: "input\n")
            #expect(result.code == 7)
            #expect(result.output == "input\n")
            #expect(result.errors.hasPrefix("error\n"))
            try await fixture.expectNothingLeft("c")
            #expect(try await fixture.run("d", "kill -9 $$; exec /bin/false") { $0.remove(.pid) }.code == 137)
        }
    }

    @Test func `run --keep leaves a stopped container`() async throws {
        try await withBundles("keep") { fixture in
            let result = try await fixture.run("c", "exit 3", flags: ["--keep"])
            #expect(result.code == 3, "\(result)")
            let status = try await fixture.state("c")["status"]
            #expect(status == "stopped")
        }
    }

    @Test func `a program that is not there fails at start or before, and nothing is left`() async throws {
        try await withBundles("noprogram") { fixture in
            let bundle = try fixture.prepare("c", ["/bin/nothing"])
            let result = try await fixture.command("run", "--bundle", bundle, "c")
            #expect(result.code != 0)
            #expect(result.errors.contains("/bin/nothing"), "\(result)")
            #expect(result.errors.contains("no such file or directory"), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test func `run in the foreground passes SIGTERM on`() async throws {
        try await withBundles("foreground") { fixture in
            let script = "trap 'exit 5' TERM; touch /data/ready; while true; do usleep 10000; done"
            let bundle = try fixture.prepare("c", script)
            let command = try StartedCommand(
                [try #require(BundleFixture.program), "--root", fixture.stateRoot, "run", "--bundle", bundle, "c"],
                in: fixture.directory)
            try await fixture.waitFile(fixture.inRoot("c", "/data/ready"))
            #expect(kill(command.pid, SIGTERM) == 0)
            #expect(try await command.end().code == 5)
        }
    }
}
