import Glibc
import LinuxSystem
import TestSupport
import Testing

/// What every engine with docker's commands has to show with the runtime under test, as it does with runc.
enum ContainerScenarios {
    static func exitCodes(_ engine: some ContainerCLI) async throws {
        let table: [(program: [String], code: Int32, message: String)] = [
            (["true"], 0, ""), (["false"], 1, ""), (["sh", "-c", "exit 42"], 42, ""),
            (["sh", "-c", "kill -TERM $$; exit 5"], 5, ""),
            (["absent"], 127, "executable file not found in $PATH"), (["/absent"], 127, "no such file or directory"),
            (["/etc/passwd"], 126, "ermission denied"), (["/etc"], 126, ""),
        ]
        for (program, code, message) in table {
            let done = try await engine.run([], program)
            #expect(done.code == code, "\(program): \(done.errorOutput)")
            #expect(message.isEmpty || done.errorOutput.contains(message), "\(program): \(done.errorOutput)")
        }
        let both = try await engine.run([], ["sh", "-c", "echo out; echo err >&2"])
        #expect(both.output == "out\n" && both.errorOutput == "err\n")
        let fed = try await engine.run(["-i"], ["sh", "-c", "cat; echo end"], input: Array("in\n".utf8))
        #expect(fed.output == "in\nend\n")
    }

    static func lifecycle(_ engine: some ContainerCLI) async throws {
        let script = "trap 'echo bye; exit 9' TERM; echo up; echo aside >&2; while :; do usleep 20000; done"
        try await engine.start("box", [], script)
        try await engine.logs("box", have: "up\n")
        #expect(try await engine.attempt(["exec", "box", "sh", "-c", "echo in; exit 3"]).code == 3)
        let settings = [
            "exec", "-u", "bob", "-w", "/etc", "-e", "A=b", "box", "sh", "-c", "id -u; pwd; echo $A; echo $$",
        ]
        let inner = try await engine.succeed(settings).split(separator: "\n").map(String.init)
        #expect(inner.prefix(3) == ["1000", "/etc", "b"] && inner.last != "1")
        let fed = try await engine.attempt(["exec", "-i", "box", "cat"], input: Array("fed\n".utf8))
        #expect(fed.output == "fed\n")
        let absent = try await engine.attempt(["exec", "box", "absent"])
        #expect(absent.code == engine.absentExecCode, "\(absent.output)\(absent.errorOutput)")
        try await engine.succeed(["exec", "-d", "box", "sh", "-c", "echo detached >/tmp/said"])
        try await waitUntil("the detached program has written") {
            try await engine.attempt(["exec", "box", "cat", "/tmp/said"]).output == "detached\n"
        }
        // Joins the namespace of processes of another container.
        let joined = try await engine.output(["--pid", "container:box"], "cat /proc/1/cmdline | tr '\\0' ' '; echo $$")
        #expect(joined.contains("echo bye") && !joined.hasSuffix("\n1"))
        #expect(try await engine.succeed(["top", "box"]).contains("usleep 20000"))

        try await engine.succeed(["stop", "-t", "20", "box"])
        #expect(try await engine.inspect("box", ".State.ExitCode") == "9")
        let logs = try await engine.attempt(["logs", "box"])
        #expect(logs.output == "up\nbye\n" && logs.errorOutput == "aside\n")
        try await engine.succeed(["start", "box"])
        try await engine.logs("box", have: "up\nbye\nup\n")
        try await engine.succeed(["kill", "-s", "TERM", "box"])
        #expect(try await engine.succeed(["wait", "box"]) == "9")
        try await engine.succeed(["rm", "box"])

        // As process 1 without a handler it ignores what it is asked.
        try await engine.start("other", [], "exec sleep 1000")
        let pid = try await engine.pid("other")
        try await engine.succeed(["stop", "-t", "0", "other"])
        #expect(try await engine.inspect("other", ".State.ExitCode") == "137")
        try await engine.succeed(["start", "other"])
        #expect(try await engine.attempt(["rm", "other"]).code != 0, "a running container was removed without force")
        #expect(try await engine.pid("other") != pid)
        try await engine.succeed(["kill", "other"])
        #expect(try await engine.succeed(["wait", "other"]) == "137")
        try await engine.succeed(["start", "other"])
        try await engine.succeed(["rm", "-f", "other"])
        #expect(try await engine.succeed(["ps", "-aq"]) == "")
    }

    static func pause(_ engine: some ContainerCLI) async throws {
        try await engine.start("box", [], "while :; do :; done")
        let pid = try await engine.pid("box")
        try await FrozenProcess.verify(pid) {
            try await engine.succeed(["pause", "box"])
            #expect(try await engine.inspect("box", ".State.Status") == "paused")
            #expect(try await engine.attempt(["exec", "box", "true"]).code != 0)
        } resume: {
            try await engine.succeed(["unpause", "box"])
        }
        #expect(try await engine.inspect("box", ".State.Status") == "running")
        try await engine.succeed(["exec", "box", "true"])
        try await engine.succeed(["rm", "-f", "box"])
    }

    static func limits(_ engine: some ContainerCLI) async throws {
        let options = ["-m", "64m", "--pids-limit", "50", "--cpus", "0.5", "--cpuset-cpus", "0"]
        try await engine.start("box", options, "exec sleep 1000")
        let pid = try await engine.pid("box")
        func limit(_ old: String, _ new: String) throws -> String { try PeerGroups.value(of: pid, old, orElse: new) }
        #expect(try limit("memory.limit_in_bytes", "memory.max") == "67108864")
        #expect(try limit("pids.max", "pids.max") == "50")
        #expect(try limit("cpu.cfs_quota_us", "cpu.max") == "50000")
        #expect(try limit("cpuset.cpus", "cpuset.cpus") == "0")
        try await engine.succeed(["update", "-m", "96m", "--memory-swap", "192m", "--cpus", "1.5", "box"])
        #expect(try limit("memory.limit_in_bytes", "memory.max") == "100663296")
        #expect(try limit("cpu.cfs_quota_us", "cpu.max") == "150000")
        #expect(try limit("pids.max", "pids.max") == "50")
        try await engine.succeed(["rm", "-f", "box"])

        let forks = "i=0; while [ $i -lt 20 ]; do sleep 5 & i=$((i + 1)); done; echo all"
        let many = try await engine.run(["--pids-limit", "10"], ["sh", "-c", forks])
        #expect(many.errorOutput.contains("can't fork") && !many.output.contains("all"))
        // tail keeps one line of the endless file, until the kernel ends it.
        try await engine.start("other", ["-m", "16m", "--memory-swap", "16m"], "exec tail /dev/zero")
        #expect(try await engine.succeed(["wait", "other"]) == "137")
        let isTold = try await engine.inspect("other", ".State.OOMKilled") == "true"
        #expect(isTold == engine.tellsOutOfMemory)
        try await engine.succeed(["rm", "other"])
    }

    static func terminals(_ engine: some ContainerCLI) async throws {
        // The size may come when the program runs already.
        let ask = "until stty size | grep -q '[1-9]'; do usleep 20000; done; tty; stty size; exit 6"
        let options = ["run", "--rm", "-it"] + engine.runOptions + [PeerImage.name, "sh", "-c", ask]
        let run = try await engine.onTerminal(options)
        #expect(run.code == 6 && run.screen.contains("/dev/pts/0\n33 99\n"), "\(run.output)")
        try await engine.start("box", ["-t"], "tty; ls -l /dev/console; exec sleep 1000")
        try await waitUntil("the terminal's output is logged") {
            try await engine.attempt(["logs", "box"]).screen.contains("/dev/pts/0\n")
        }
        let exec = try await engine.onTerminal(["exec", "-it", "box", "sh", "-c", ask])
        #expect(exec.code == 6 && exec.screen.contains("33 99\n"), "\(exec.output)")
        let plain = try await engine.attempt(["exec", "box", "tty"])
        #expect(plain.code == 1 && plain.output == "not a tty\n")
        try await engine.succeed(["rm", "-f", "box"])
    }

    static func settings(_ engine: some ContainerCLI) async throws {
        let process = ["-e", "A=b", "-w", "/tmp", "-h", "name", "-u", "bob", "--group-add", "77"]
        #expect(
            try await engine.output(process, "echo $A; pwd; hostname; id -u; id -g; id -G | tr ' ' '\n' | grep -c 77")
                == "b\n/tmp\nname\n1000\n1000\n1")
        #expect(try await engine.output(["--ulimit", "cpu=50:60"], "ulimit -t; ulimit -Ht") == "50\n60")
        #expect(try await engine.output(["--sysctl", "kernel.shm_rmid_forced=1"], shmForced) == "1")

        let status = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'"
        #expect(
            try await engine.output(["--cap-drop", "ALL", "--cap-add", "NET_RAW"], status)
                == "CapEff:0000000000002000\nCapBnd:0000000000002000\nNoNewPrivs:0\nSeccomp:2")
        #expect(
            try await engine.output(["--security-opt", "no-new-privileges", "-u", "bob", "--cap-drop", "ALL"], status)
                == "CapEff:0000000000000000\nCapBnd:0000000000000000\nNoNewPrivs:1\nSeccomp:2")
        #expect(
            try await engine.output(["--security-opt", "seccomp=unconfined"], status).hasSuffix("Seccomp:0"))
        // The default profile refuses it without CAP_SYS_ADMIN.
        let refused = try await engine.run([], ["unshare", "-m", "true"])
        #expect(refused.code != 0 && refused.errorOutput.contains("not permitted"))
        #expect(try await engine.run(["--cap-add", "SYS_ADMIN"], ["unshare", "-m", "true"]).code == 0)
    }

    static func files(_ engine: some ContainerCLI) async throws {
        let directory = traces(engine).path("bound")
        try Files.makeDirectories(directory)
        try Files.write(directory + "/seed", "seed\n")
        let readOnly = try await engine.run(["--read-only"], ["sh", "-c", "touch /file"])
        #expect(readOnly.code == 1 && readOnly.errorOutput.contains("Read-only file system"))
        let small = try await engine.run(
            ["--read-only", "--tmpfs", "/scratch:size=1m"],
            ["sh", "-c", "echo kept >/scratch/a && cat /scratch/a && dd if=/dev/zero of=/scratch/b bs=1M count=2"])
        #expect(small.code == 1 && small.output == "kept\n" && small.errorOutput.contains("No space left"))
        let bound = try await engine.run(
            ["-v", directory + ":/ro:ro", "-v", directory + ":/rw"],
            ["sh", "-c", "cat /ro/seed; echo new >/rw/new && cat /ro/new; touch /ro/other"])
        #expect(bound.output == "seed\nnew\n" && bound.errorOutput.contains("Read-only file system"))
        #expect(try Files.text(directory + "/new") == "new\n")
        #expect(!Files.exists(directory + "/other"))
        // Masked and read-only paths, and a device that may be read alone.
        #expect(
            try await engine.output([], "cat /proc/keys /proc/timer_list | wc -c; ls /sys/firmware | wc -l") == "0\n0")
        let kernel = try await engine.run([], ["sh", "-c", "echo 1 >/proc/sys/kernel/panic"])
        #expect(kernel.code == 1 && kernel.errorOutput.contains("Read-only file system"))
        let device = try await engine.run(
            ["--device", "/dev/fuse:/dev/other:r"],
            ["sh", "-c", "true </dev/other && echo read; true >/dev/other"])
        #expect(device.code == 1 && device.output == "read\n" && device.errorOutput.contains("not permitted"))
        let absent = try await engine.attempt(
            ["run", "--rm"] + engine.runOptions
                + ["--mount", "type=bind,source=\(directory)/absent,target=/a", PeerImage.name, "true"])
        #expect(absent.code == 125)
    }

    private static let shmForced = "cat /proc/sys/kernel/shm_rmid_forced"
    private static func traces(_ engine: some ContainerCLI) -> TemporaryDirectory { engine.traces.directory }
}

extension ContainerCLI {
    /// Waits until the container has written `output`.
    fileprivate func logs(_ container: String, have output: String) async throws {
        try await waitUntil("\(container) has written \(output)") {
            try await attempt(["logs", container]).output == output
        }
    }
}
