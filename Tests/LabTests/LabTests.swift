import Glibc
import LinuxSystem
import TestSupport
import Testing
import Values

@testable import Lab

/// Labs whose hosts run a stand-in instead of martletd.
@Suite(.serialized, .enabled(if: TestEnvironment.isRoot, "labs need root"))
struct LabTests {
    static let standIn = LabDaemon(
        command: ["/bin/sh", "-c", "echo {name} began; echo began >>/var/lib/martlet/begun; exec sleep 100000"],
        hasSocket: false)

    /// A name that no other run has.
    static func name(_ purpose: String) -> String { "t\(getpid())-\(purpose)" }

    static func options(_ daemon: LabDaemon = standIn) -> LabOptions {
        var options = LabOptions(formsSwarm: false)
        options.daemon = daemon
        return options
    }

    /// Makes a lab of so many hosts, and takes it down after `body`.
    static func withLab(
        _ purpose: String, hosts: Int = 2, limits: LabConfiguration.Limits = .init(),
        _ body: (RunningLab) async throws -> Void
    ) async throws {
        let configuration = LabConfiguration(
            name: name(purpose), hosts: (1...hosts).map { LabConfiguration.Host(name: "h\($0)", limits: limits) })
        var traces = LabTraces(of: configuration.name)
        let lab = try await RunningLab.up(configuration, options: options())
        do {
            try await body(lab)
            traces.note()
        } catch {
            try? await lab.down()
            throw error
        }
        try await lab.down()
        #expect(try await traces.left() == [])
    }

    func output(_ lab: RunningLab, _ host: String, _ command: String...) async throws -> String {
        let result = try await lab.exec(on: host, command)
        try #require(result.code == 0, "\(command): \(String(decoding: result.errors, as: UTF8.self))")
        return String(decoding: result.output, as: UTF8.self)
    }

    @Test("A host has its own name, processes, mounts, network, control groups and /etc")
    func namespaces() async throws {
        try await Self.withLab("ns") { lab in
            #expect(try await output(lab, "h1", "hostname") == "h1\n")
            #expect(try await output(lab, "h2", "cat", "/etc/hostname") == "h2\n")
            #expect(try await output(lab, "h1", "cat", "/etc/resolv.conf") == "nameserver 10.77.0.1\n")
            #expect(try await output(lab, "h1", "cat", "/etc/hosts").contains("10.77.0.12 h2\n"))
            // Its first process, the daemon and what looks.
            let processes = try await output(lab, "h1", "sh", "-c", "cat /proc/[0-9]*/comm")
            #expect(processes.contains("lab-init") && processes.contains("sleep"))
            #expect(processes.split(separator: "\n").count <= 4)
            let links = try await output(lab, "h1", "ls", "/sys/class/net").split(separator: "\n")
            #expect(Set(links).subtracting(["ifb0", "ifb1"]) == ["eth0", "lo"])
            #expect(try await output(lab, "h1", "ls", "/tmp") == "")
            for line in try await output(lab, "h1", "cat", "/proc/self/cgroup").split(separator: "\n") {
                let path = line.split(separator: ":", omittingEmptySubsequences: false).last!
                #expect(path == "/" || path == "/init", "\(line)")
            }
            // A group made on a host lies beneath the host's own.
            let groups = try LabState.load(lab.paths).hosts[0].groups
            let made = try await output(
                lab, "h1", "sh", "-c", "d=/sys/fs/cgroup/memory; [ -d $d ] || d=/sys/fs/cgroup; mkdir $d/probe; echo $d"
            )
            let group = try #require(groups.first { $0.hasPrefix(made.dropLast() + "/") })
            #expect(Files.isDirectory(group + "/probe"))
            #expect(try await lab.exec(on: "h1", ["sh", "-c", "exit 7"]).code == 7)
            #expect(try await lab.exec(on: "h1", ["no-such-program"]).code == 127)
            let echoed = try await lab.exec(on: "h1", ["cat"], input: Array("typed".utf8))
            #expect(echoed.output == Array("typed".utf8))
            #expect(throws: LabError.self) { try lab.host("h9") }
            // The machine does not see the hosts' mounts.
            #expect(try !Files.text("/proc/self/mountinfo").contains(lab.name))
        }
    }

    @Test("A killed host is gone at once, frozen groups included, and boots anew on its data with an empty /run")
    func killAndStart() async throws {
        try await Self.withLab("kill") { lab in
            _ = try await output(
                lab, "h1", "sh", "-c", "echo kept >/var/lib/martlet/kept; echo gone >/run/martlet/gone")
            // A group that the host's own freezer holds: v1's cannot be killed until it is thawed.
            _ = try await output(
                lab, "h1", "sh", "-c",
                """
                exec >/dev/null 2>&1; f=/sys/fs/cgroup/freezer; [ -d $f ] || f=/sys/fs/cgroup
                mkdir $f/held; sleep 5000 >/dev/null 2>&1 & echo $! >$f/held/cgroup.procs
                if [ -f $f/held/freezer.state ]; then echo FROZEN >$f/held/freezer.state
                else echo 1 >$f/held/cgroup.freeze; fi
                """)
            let before = try lab.host("h1")
            #expect(before.status == .running)
            let daemon = try #require(before.daemonPID)
            try await lab.kill("h1")
            #expect(ProcessMark(living: daemon) == nil)
            #expect(try lab.host("h1").status == .off)
            #expect(try await !reaches(lab, "h2", before.address))
            await #expect(throws: LabError.self) { try await lab.exec(on: "h1", ["true"]) }
            try await lab.start("h1")
            #expect(try lab.host("h1").status == .running)
            #expect(try await output(lab, "h1", "cat", "/var/lib/martlet/kept") == "kept\n")
            #expect(try await output(lab, "h1", "ls", "/run/martlet") == "")
            try await expectReaches(lab, "h2", before.address)
            // Killing twice is killing once, and a running host is not started again.
            try await lab.kill("h2")
            try await lab.kill("h2")
            try await lab.start("h2")
            let pid = try lab.host("h2").daemonPID
            try await lab.start("h2")
            #expect(try lab.host("h2").daemonPID == pid)
        }
    }

    @Test("Stopping ends the daemon alone; what it started goes on, and its log is kept")
    func stopAndStart() async throws {
        try await Self.withLab("stop", hosts: 1) { lab in
            _ = try await output(lab, "h1", "sh", "-c", "sleep 4000 >/dev/null 2>&1 & echo $! >/run/martlet/pid")
            try await waitUntil("the daemon began") {
                try await lab.exec(on: "h1", ["test", "-s", "/var/lib/martlet/begun"]).code == 0
            }
            try await lab.stop("h1")
            #expect(try lab.host("h1").status == .stopped)
            _ = try await output(lab, "h1", "sh", "-c", "kill -0 $(cat /run/martlet/pid)")
            try await lab.start("h1")
            try await waitUntil("two beginnings in the log") { try lab.log("h1") == "h1 began\nh1 began\n" }
            try await lab.stop("h1", kill: true)
            #expect(try lab.host("h1").status == .stopped)
            try await lab.start("h1")
            try await waitUntil("three beginnings in the log") {
                try lab.log("h1") == "h1 began\nh1 began\nh1 began\n"
            }
            _ = try await output(lab, "h1", "sh", "-c", "kill -0 $(cat /run/martlet/pid)")
        }
    }

    @Test("The daemon's log is bounded: two files of 8 MiB")
    func logIsBounded() async throws {
        let configuration = LabConfiguration(name: Self.name("log"), hosts: [LabConfiguration.Host(name: "h1")])
        let talker = LabDaemon(
            command: ["/bin/sh", "-c", "head -c 30000000 /dev/zero | tr '\\0' x; echo; echo end; exec sleep 100000"],
            hasSocket: false)
        let traces = LabTraces(of: configuration.name)
        let lab = try await RunningLab.up(configuration, options: Self.options(talker))
        do {
            try await waitUntil("the last line is in the log") { try lab.log("h1", limit: 5).hasSuffix("\nend\n") }
            let sizes = try ["", ".1"].map { try Files.read(lab.logPath("h1") + $0).count }
            #expect(sizes.allSatisfy { $0 > 0 && $0 <= 8 << 20 }, "\(sizes)")
        } catch {
            try? await lab.down()
            throw error
        }
        try await lab.down()
        #expect(try await traces.left() == [])
    }

    @Test("A frozen host holds still and goes on where it was")
    func freeze() async throws {
        try await Self.withLab("freeze", hosts: 2) { lab in
            _ = try await output(
                lab, "h1", "sh", "-c", "while :; do date +%s%N >/var/lib/martlet/clock; done >/dev/null 2>&1 &")
            let clock = lab.paths.data("h1") + "/clock"
            try await waitUntil("the clock runs") { Files.exists(clock) }
            try await lab.freeze("h1")
            #expect(try lab.host("h1").status == .frozen)
            let freezer = try LabState.load(lab.paths).hosts[0].groups.map { $0 + "/cgroup.events" }
            try await waitUntil("every process is held") {
                freezer.contains { (try? Files.text($0))?.contains("frozen 1") == true }
            }
            let held = try Files.text(clock)
            // As long as the loop needs for a hundred turns and more.
            #expect(
                try await lab.exec(
                    on: "h2", ["sh", "-c", "i=0; while [ $i -lt 200 ]; do date >/dev/null; i=$((i+1)); done"]
                ).code == 0)
            #expect(try Files.text(clock) == held)
            await #expect(throws: LabError.self) { try await lab.exec(on: "h1", ["true"]) }
            try await lab.thaw("h1")
            try await waitUntil("the clock runs again") { try Files.text(clock) != held }
            try await lab.freeze("h1")
            try await lab.kill("h1")
            try await lab.start("h1")
            #expect(try lab.host("h1").status == .running)
        }
    }

    @Test("Limits on memory, processor and link hold for the whole host")
    func limits() async throws {
        let limits = LabConfiguration.Limits(cpus: 0.5, memoryBytes: 64 << 20, rateBitsPerSecond: 8_000_000)
        try await Self.withLab("limits", limits: limits) { lab in
            let hog = try await lab.exec(on: "h1", ["python3", "-c", "print(len(b'x' * (200 << 20)))"])
            #expect(hog.code == 137)
            let quota = try await output(
                lab, "h2", "sh", "-c", "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us || cat /sys/fs/cgroup/cpu.max")
            #expect(quota.hasPrefix("50000"))
            #expect(try await output(lab, "h1", "tc", "qdisc", "show", "dev", "eth0").contains("rate 8Mbit"))
            let receiver = """
                import socket, time
                s = socket.create_server(('', 7000)); c = s.accept()[0]; n = 0; t = time.monotonic()
                while (b := c.recv(65536)): n += len(b)
                print(n * 8 / (time.monotonic() - t))
                """
            async let received = lab.exec(on: "h2", ["python3", "-c", receiver])
            let sender = """
                import socket, time
                for _ in range(500):
                    try: s = socket.create_connection(('h2', 7000)); break
                    except OSError: time.sleep(0.01)
                s.sendall(bytes(2 << 20))
                """
            #expect(try await lab.exec(on: "h1", ["python3", "-c", sender]).code == 0)
            let rate = Double(String(decoding: try await received.output, as: UTF8.self).dropLast()) ?? 0
            #expect(rate > 3_000_000 && rate < 9_500_000, "\(rate) bits/s")
        }
    }

    @Test("A program that takes the place of this one gets its signals, from a thread that blocks them too")
    func signals() async throws {
        try await Self.withLab("signals", hosts: 1) { lab in
            let state = try LabState.load(lab.paths)
            let script = "trap 'echo asked; exit 5' INT TERM; echo begun; while :; do sleep 0.05; done"
            for (machine, namespaces) in [(state.hosts[0], "ciunpm"), (state.underlay, "n")] {
                let arguments = try LabProgram.enterArguments(
                    machine, namespaces: namespaces, ["sh", "-c", script])
                let (read, write) = try Descriptor.pipe()
                let null = try Descriptor.open("/dev/null", O_RDWR)
                let blocking = """
                    import os, signal, sys
                    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
                    os.execv(sys.argv[1], sys.argv[2:])
                    """
                let python = try #require(TestEnvironment.command("python3"))
                let pid = try ChildProcess.spawn(
                    python, [python, "-c", blocking, TestEnvironment.bundlePath] + arguments,
                    environment: Command.currentEnvironment(), descriptors: [null.rawValue, write, 2])
                close(write)
                #expect(try Bytes.read(read, upTo: 6) == Array("begun\n".utf8))
                Glibc.kill(pid, SIGTERM)
                #expect(try ChildProcess.wait(pid) == 5)
                #expect(try Bytes.readToEnd(read, limit: 100) == Array("asked\n".utf8))
                close(read)
            }
        }
    }
}
