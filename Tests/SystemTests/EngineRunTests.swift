import EngineClient
import JSON
import LinuxSystem
import TestSupport
import Testing

extension EngineSystemTests {
    @Suite(.enabled(if: EngineHost.isDriven, EngineHost.drivenReason))
    struct RunTests {
        @Test func exitCodes() async throws {
            try await EngineHost.with("codes") { host in
                let image = EngineHost.image
                let table: [(arguments: [String], code: Int32, message: String)] = [
                    ([image, "true"], 0, ""), ([image, "false"], 1, ""), ([image, "sh", "-c", "exit 42"], 42, ""),
                    ([image, "absent"], 127, #"exec: "absent": executable file not found in $PATH"#),
                    ([image, "/absent"], 127, "no such file or directory"),
                    ([image, "/etc/passwd"], 126, #"exec: "/etc/passwd": permission denied"#),
                    (["absent:1"], 125, "Unable to find image 'absent:1' locally"),
                    (["-u", "nobody", image, "true"], 125, "unable to find user nobody: no matching entries"),
                    (["-m", "1m", image, "true"], 125, "Minimum memory limit allowed is 6MB"),
                    (["--network", "absent", image, "true"], 125, "network absent not found"),
                ]
                for (arguments, code, message) in table {
                    let done = try await host.attempt(["run", "--rm"] + arguments)
                    #expect(done.code == code, "\(arguments): \(done.errorOutput)")
                    #expect(
                        message.isEmpty ? done.errorOutput.isEmpty : done.errorOutput.contains(message),
                        "\(arguments): \(done.errorOutput)")
                }
                #expect(try await host.docker("ps", "-aq") == "")
            }
        }

        @Test func processSettings() async throws {
            try await EngineHost.with("settings") { host in
                #expect(
                    try await host.output(["-e", "A=b", "-w", "/new/dir", "-h", "name"], "echo $A; pwd; hostname")
                        == "b\n/new/dir\nname")
                #expect(
                    try await host.output(["-u", "bob"], "id")
                        == "uid=1000(bob) gid=1000(bob) groups=50(staff),1000(bob)")
                #expect(
                    try await host.output(
                        ["-u", "4000:5000", "--group-add", "77"], "id -u; id -g; id -G | tr ' ' '\n' | sort -n")
                        == "4000\n5000\n77\n5000")
                #expect(
                    try await host.docker("run", "--rm", "--entrypoint", "echo", EngineHost.image, "a", "b") == "a b")
                #expect(try await host.output(["--init"], "cat /proc/1/comm; echo $$") != "sh\n1")
                #expect(try await host.output([], "cat /proc/1/comm; echo $$") == "sh\n1")
                #expect(try await host.output(["--ulimit", "nofile=50:60"], "ulimit -n; ulimit -Hn") == "50\n60")
                #expect(
                    try await host.output(["--add-host", "other:1.2.3.4"], "grep other /etc/hosts") == "1.2.3.4\tother")
                // Input, and its end, pass through.
                let echoed = try await host.attempt(
                    ["run", "--rm", "-i", EngineHost.image, "sh", "-c", "cat; echo end"], input: Array("in\n".utf8))
                #expect(echoed.output == "in\nend\n")
                // Both outputs, apart from each other.
                let both = try await host.run([], "echo out; echo err >&2")
                #expect(both.output == "out\n" && both.errorOutput == "err\n")
            }
        }

        @Test(.enabled(if: TestEnvironment.command("script") != nil, "docker has no terminal without script"))
        func terminals() async throws {
            try await EngineHost.with("terminal") { host in
                let tellsSize = try host.cli.speaks(42, orElse: "tells a terminal's size only when the program runs")
                let sized = tellsSize ? "" : "until stty size 2>/dev/null | grep -q [1-9]; do usleep 20000; done; "
                let inner = sized + "tty; stty size; test -t 0 -a -t 1 -a -t 2 && echo terminal; exit 6"
                let run = try await host.command([
                    "script", "-qec",
                    "stty rows 33 cols 99; docker run --rm -it \(EngineHost.image) sh -c '\(inner)'", "/dev/null",
                ])
                #expect(run.code == 6)
                #expect(run.output.contains("/dev/pts/0\r\n33 99\r\nterminal\r\n"), "\(run.output)")
                try await host.docker("run", "-d", "--name", "box", EngineHost.image, "sleep", "1000")
                let exec = try await host.command([
                    "script", "-qec", "stty rows 22 cols 88; docker exec -it box sh -c '\(inner)'", "/dev/null",
                ])
                #expect(exec.code == 6)
                #expect(exec.output.contains("22 88\r\nterminal\r\n"), "\(exec.output)")
            }
        }

        @Test func filesystems() async throws {
            try await EngineHost.with("files") { host in
                let before = try await host.traces()
                let fixed = try await host.run(
                    ["--read-only", "--tmpfs", "/scratch:size=1m"],
                    "touch /scratch/a && df -k /scratch | tail -1 | tr -s ' ' | cut -d' ' -f2; touch /a")
                #expect(fixed.output == "1024\n")
                #expect(fixed.errorOutput.contains("Read-only file system"))
                // A new volume gets what the image has at its place; a used one keeps its own.
                #expect(
                    try await host.output(["-v", "first:/data"], "cat /data/seed; echo mine >/data/seed") == "seed")
                #expect(try await host.output(["-v", "first:/data"], "cat /data/seed") == "mine")
                #expect(try await host.run(["-v", "first:/data:ro"], "touch /data/a").code == 1)
                #expect(
                    try await host.output(
                        ["--mount", "type=volume,src=empty,dst=/data,volume-nocopy"], "ls /data") == "")
                // Volumes without a name go with their container.
                #expect(try await host.output(["-v", "/data"], "cat /data/seed") == "seed")
                #expect(try await host.docker("volume", "ls", "-q") == "empty\nfirst")
                try await host.docker(
                    "run", "-d", "--name", "user", "-v", "first:/data", EngineHost.image, "sleep", "1000")
                let refused = try await host.attempt(["volume", "rm", "first"])
                #expect(refused.errorOutput.contains("remove first: volume is in use"))
                let keepsNamed = try host.cli.speaks(42, orElse: "volume prune takes named volumes without -a")
                if keepsNamed { #expect(try await !host.docker("volume", "prune", "-f").contains("empty")) }
                let pruned = try await host.docker("volume", "prune", keepsNamed ? "-af" : "-f")
                #expect(pruned.contains("empty") && !pruned.contains("first"))
                // Whatever the CLI's version: named volumes go where the API knows no difference yet.
                try await host.docker("volume", "create", "older")
                let older = try await EngineClient(address: host.client.address, apiVersion: "1.41")
                    .json("POST", "/volumes/prune")
                #expect(older["VolumesDeleted"] == ["older"])
                try await host.docker("rm", "-f", "user")
                try await host.docker("volume", "rm", "first")
                #expect(try await host.docker("system", "prune", "-f").contains("Total reclaimed space: 0B"))
                // The lab's hosts share the machine's files.
                try host.files.write("bound/file", "bound")
                let path = host.files.path("bound")
                #expect(
                    try await host.output(["-v", "\(path):/mnt"], "cat /mnt/file; echo back >/mnt/file") == "bound")
                #expect(try Files.text(path + "/file") == "back\n")
                #expect(try await host.run(["-v", "\(path):/mnt:ro"], "touch /mnt/file").code == 1)
                let absent = try await host.run(["--mount", "type=bind,src=\(path)/absent,dst=/mnt"], "true")
                #expect(absent.code == 125 && absent.errorOutput.contains("bind source path does not exist"))
                // Nothing of any of them is left, mounted or not.
                let after = try await host.traces()
                #expect(after == before, "\(after.filter { !before.contains($0) })")
            }
        }

        @Test func privileges() async throws {
            try await EngineHost.with("rights") { host in
                let effective = "grep CapEff /proc/self/status | cut -f2"
                #expect(try await host.output([], effective) == "00000000a80425fb")
                #expect(
                    try await host.output(["--cap-add", "NET_ADMIN"], "ip link set lo down; " + effective)
                        == "00000000a80435fb")
                #expect(try await host.run([], "ip link set lo down").code != 0)
                #expect(try await host.output(["--cap-drop", "ALL"], effective) == "0000000000000000")
                #expect(try await host.run(["--cap-drop", "CHOWN"], "chown 1 /tmp").code == 1)
                #expect(try await host.output(["-u", "bob"], effective) == "0000000000000000")
                #expect(
                    try await host.output(["--privileged"], "mount -t tmpfs none /tmp && ls -d /dev/kmsg")
                        == "/dev/kmsg")
                // Docker's profile: 2 is a filter; a new user namespace is among what it denies.
                let seccomp = "grep Seccomp: /proc/self/status | cut -f2"
                #expect(try await host.output([], seccomp) == "2")
                let denied = try await host.run([], "unshare -U true")
                #expect(denied.code != 0 && denied.errorOutput.contains("Operation not permitted"))
                let unconfined = ["--security-opt", "seccomp=unconfined"]
                #expect(
                    try await host.output(unconfined, seccomp + "; unshare -U true && echo allowed") == "0\nallowed")
                #expect(
                    try await host.output(
                        ["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status | cut -f2") == "1")
                // What would change the host is out of reach.
                #expect(try await host.run([], "echo 1 >/proc/sys/kernel/panic").code != 0)
                #expect(try await host.output([], "wc -c </proc/keys; ls /proc/acpi | wc -l") == "0\n0")
            }
        }

        @Test func limits() async throws {
            try await EngineHost.with("limits") { host in
                try await host.docker(
                    "run", "-d", "--name", "hungry", "-m", "20m", EngineHost.image, "sh", "-c",
                    #"while :; do x="$x$(head -c 1000000 /dev/zero | tr "\0" a)"; done"#)
                #expect(try await host.docker("wait", "hungry") == "137")
                #expect(
                    try await host.inspect("hungry", "json .State.OOMKilled")
                        + (try await host.inspect("hungry", ".State.Status"))
                        == "trueexited")
                #expect(try await host.inspect("hungry", ".HostConfig.Memory") == "\(20 << 20)")
                let forks = try await host.run(
                    ["--pids-limit", "5"], "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all")
                #expect(!forks.output.contains("all"))
                #expect(forks.errorOutput.contains("Resource temporarily unavailable"))
                let cpu = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max"
                #expect(try await host.output(["--cpus", "0.5"], cpu) == "50000")
                try await host.docker("run", "-d", "--name", "changed", "-m", "64m", EngineHost.image, "sleep", "1000")
                try await host.docker("update", "-m", "32m", "--memory-swap", "32m", "changed")
                let memory =
                    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
                #expect(try await host.docker("exec", "changed", "sh", "-c", memory) == "\(32 << 20)")
            }
        }
    }
}
