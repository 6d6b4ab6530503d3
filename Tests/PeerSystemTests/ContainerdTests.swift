import JSON
import LinuxSystem
import TestSupport
import Testing

extension PeerSystemTests {
    /// containerd with the runtime under test (`ctr run --runc-binary PATH`).
    @Suite(.serialized, .enabled(if: Containerd.isPossible, PeerRuntime.reason(Containerd.programs)))
    struct ContainerdTests {
        @Test func exitCodesAndStreams() async throws {
            try await Containerd.with("codes") { engine in
                for (script, code) in [("exit 0", 0), ("exit 42", 42)] as [(String, Int32)] {
                    #expect(try await engine.run([], ["sh", "-c", script]).code == code, "\(script)")
                }
                // ctr has one code for all failures before the start.
                let table = [
                    ("absent", "executable file not found in $PATH"), ("/absent", "no such file or directory"),
                    ("/etc/passwd", "permission denied"),
                ]
                for (program, message) in table {
                    let done = try await engine.run([], [program])
                    #expect(done.code == 1 && done.errorOutput.contains(message), "\(program): \(done.errorOutput)")
                }
                let both = try await engine.run([], ["sh", "-c", "echo out; echo err >&2"])
                #expect(both.output == "out\n" && both.errorOutput == "err\n")
            }
        }

        @Test func lifecycleExecAndLogs() async throws {
            try await Containerd.with("lifecycle") { engine in
                let script = "trap 'echo bye; exit 9' TERM; echo up; while :; do usleep 20000; done"
                try await engine.start("a", [], script)
                try await waitUntil("a has written") { engine.log("a") == "up\n" }
                let exec = ["task", "exec", "--exec-id", "e1"]
                let inner = try await engine.attempt(exec + ["--cwd", "/etc", "a", "sh", "-c", "pwd; id -u; exit 3"])
                #expect(inner.code == 3 && inner.output == "/etc\n0\n")
                #expect(try await engine.succeed(exec + ["--user", "1000", "a", "id", "-u"]) == "1000")
                let absent = try await engine.attempt(exec + ["a", "absent"])
                #expect(absent.code == 1 && absent.errorOutput.contains("executable file not found in $PATH"))
                let pid = try await engine.pid("a")
                #expect(try await engine.succeed(["task", "ps", "a"]).contains("\(pid)"))
                #expect(try await engine.succeed(["task", "metrics", "a"]).contains("memory"))
                #expect(try await engine.attempt(["task", "rm", "a"]).code != 0, "a running task was removed")
                try await engine.succeed(["task", "kill", "-s", "SIGTERM", "a"])
                #expect(try await engine.remove("a") == 9)
                #expect(engine.log("a") == "up\nbye\n")
                try await engine.start("b", [], "exec sleep 1000")
                try await engine.succeed(["task", "kill", "-s", "SIGKILL", "b"])
                #expect(try await engine.remove("b") == 137)
            }
        }

        @Test func pauseStopsProcesses() async throws {
            try await Containerd.with("pause") { engine in
                try await engine.start("a", [], "while :; do :; done")
                try await FrozenProcess.verify(try await engine.pid("a")) {
                    try await engine.succeed(["task", "pause", "a"])
                    #expect(try await engine.task("a")?.state == "PAUSED")
                } resume: {
                    try await engine.succeed(["task", "resume", "a"])
                }
                #expect(try await engine.task("a")?.state == "RUNNING")
                try await engine.succeed(["task", "kill", "-s", "SIGKILL", "a"])
                try await engine.remove("a")
            }
        }

        @Test func limitsAndUpdate() async throws {
            try await Containerd.with("limits") { engine in
                try await engine.start("a", ["--memory-limit", "67108864", "--cpus", "0.5"], "exec sleep 1000")
                let pid = try await engine.pid("a")
                func limit(_ old: String, _ new: String) throws -> String {
                    try PeerGroups.value(of: pid, old, orElse: new)
                }
                #expect(try limit("memory.limit_in_bytes", "memory.max") == "67108864")
                #expect(try limit("cpu.cfs_quota_us", "cpu.max") == "50000")
                // ctr cannot update; the runtime knows the shim's container by its root.
                let runtime = [PeerRuntime.path ?? "", "--root", engine.runtimeRoot]
                let update = ["update", "--memory", "100663296", "--pids-limit", "50", "a"]
                let done = try await Command.run(runtime + update)
                #expect(done.code == 0, "\(done.errorOutput)")
                #expect(try limit("memory.limit_in_bytes", "memory.max") == "100663296")
                #expect(try limit("pids.max", "pids.max") == "50")
                #expect(try limit("cpu.cfs_quota_us", "cpu.max") == "50000")
                let state = try JSONValue(parsing: try await Command.run(runtime + ["state", "a"]).outputBytes)
                #expect(state["status"] == "running" && state["pid"]?.integer == Int64(pid))
                try await engine.succeed(["task", "kill", "-s", "SIGKILL", "a"])
                try await engine.remove("a")
                let hungry = try await engine.run(["--memory-limit", "16777216"], ["tail", "/dev/zero"])
                #expect(hungry.code == 137)
            }
        }

        @Test func terminals() async throws {
            try await Containerd.with("terminals") { engine in
                let ask = "until stty size | grep -q '[1-9]'; do usleep 20000; done; tty; stty size; exit 6"
                let run = try await engine.onTerminal(
                    ["run", "--rm", "-t"] + engine.options("t") + [Containerd.image, "t", "sh", "-c", ask])
                #expect(run.code == 6 && run.screen.contains("/dev/pts/0\n33 99\n"), "\(run.output)")
                try await engine.start("a", [], "exec sleep 1000")
                let exec = try await engine.onTerminal(
                    ["task", "exec", "-t", "--exec-id", "e1", "a", "sh", "-c", ask])
                #expect(exec.code == 6 && exec.screen.contains("33 99\n"), "\(exec.output)")
                try await engine.succeed(["task", "kill", "-s", "SIGKILL", "a"])
                try await engine.remove("a")
            }
        }

        @Test func processSettingsAndMounts() async throws {
            try await Containerd.with("settings") { engine in
                #expect(try await engine.output(["--env", "A=b", "--cwd", "/tmp"], "echo $A; pwd") == "b\n/tmp")
                let status = "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'"
                #expect(try await engine.output(["--seccomp"], status) == "NoNewPrivs:1\nSeccomp:2")
                #expect(try await engine.output(["--allow-new-privs"], status) == "NoNewPrivs:0\nSeccomp:0")
                let set = "grep CapEff /proc/self/status | tr -d '\\t'"
                let usual = try await engine.output([], set)
                let fewer = try await engine.output(["--cap-drop", "CAP_CHOWN"], set)
                let more = try await engine.output(["--cap-add", "CAP_SYS_ADMIN"], set)
                #expect(usual == "CapEff:00000000a80425fb" && fewer == "CapEff:00000000a80425fa")
                #expect(more == "CapEff:00000000a82425fb")
                let readOnly = try await engine.run(["--read-only"], ["touch", "/file"])
                #expect(readOnly.code == 1 && readOnly.errorOutput.contains("Read-only file system"))
                let bound = engine.traces.directory.path("bound")
                try Files.makeDirectories(bound)
                let mounts = [
                    "--mount", "type=bind,src=\(bound),dst=/rw,options=rbind:rw", "--mount",
                    "type=bind,src=\(bound),dst=/ro,options=rbind:ro", "--mount",
                    "type=tmpfs,src=tmpfs,dst=/scratch,options=size=1m",
                ]
                let script =
                    "echo new >/rw/new && cat /ro/new; touch /ro/a; dd if=/dev/zero of=/scratch/b bs=1M count=2"
                let done = try await engine.run(mounts, ["sh", "-c", script])
                #expect(done.code == 1 && done.output == "new\n", "\(done.errorOutput)")
                #expect(
                    done.errorOutput.contains("Read-only file system") && done.errorOutput.contains("No space left"))
                #expect(try Files.text(bound + "/new") == "new\n" && !Files.exists(bound + "/a"))
                let absent = try await engine.run(
                    ["--mount", "type=bind,src=\(bound)/absent,dst=/a,options=rbind"], ["true"])
                #expect(absent.code == 1 && absent.errorOutput.contains("no such file or directory"))
            }
        }
    }
}
