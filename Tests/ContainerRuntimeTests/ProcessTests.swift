import ContainerRuntime
import Glibc
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// What a container's first process is and sees.
@Suite(.containers) struct ProcessTests {
    @Test func exitCodes() async throws {
        try await withContainers("exit") { box in
            #expect(try await box.run("zero", arguments: ["true"]).record.code == 0)
            let seven = try await box.run("seven", "echo out; echo err >&2; exit 7")
            #expect(seven.record.code == 7)
            #expect(!seven.record.oomKilled)
            #expect(seven.record.error == nil)
            let lines = try box.log("seven")
            #expect(Set(lines.map(\.stream)) == ["stdout", "stderr"])
            #expect(Set(lines.map(\.text)) == ["out\n", "err\n"])
        }
    }

    @Test func signals() async throws {
        try await withContainers("signal") { box in
            try await box.start("a", "trap 'exit 9' TERM; echo ready; while :; do usleep 1000; done")
            try await waitUntil("the trap is set") { try box.log("a").count == 1 }
            try await box.runtime.kill("a", signal: SIGTERM)
            #expect(try await box.runtime.wait("a").code == 9)
            try await box.start("b", "sleep 1000")
            try await box.runtime.kill("b", signal: SIGKILL)
            #expect(try await box.runtime.wait("b").code == 137)
            try await box.start("c", "sleep 1000 & sleep 1000 & wait; echo both; sleep 1000") { $0.hasInit = true }
            try await waitUntil("all run") { try await box.runtime.processes("c").count == 4 }
            try await box.runtime.kill("c", signal: SIGTERM, wholeGroup: true)
            #expect(try await box.runtime.wait("c").code == 143)
        }
    }

    @Test func environmentDirectoryUserAndName() async throws {
        try await withContainers("env") { box in
            let (record, output) = try await box.run(
                "a", "env; pwd; id; hostname; touch here && stat -c %u:%g here"
            ) {
                $0.process.configuration.env?.append("COLOUR=grün")
                $0.process.configuration.cwd = "/made/for/it"
                $0.process.user = UserIdentity(name: "root", additionalGroups: ["extra"])
            }
            #expect(record.code == 0)
            for line in [
                "COLOUR=grün", "HOME=/root", "/made/for/it", "uid=0(root) gid=0(root) groups=0(root),77(extra)", "box",
                "0:0",
            ] {
                #expect(output.split(separator: "\n").contains(Substring(line)), "\(line) in \(output)")
            }
            let user = try await box.run("b", "id; echo $HOME; echo via >/dev/stderr; cat /proc/self/status") {
                $0.process.user.name = "app"
            }
            #expect(user.output.contains("uid=1000(app) gid=1001(app) groups=77(extra),1001(app)"))
            #expect(user.output.contains("\n/home/app\n"))
            #expect(user.output.contains("via\n"))
            #expect(user.output.contains("CapEff:\t0000000000000000"))
        }
    }

    /// Docker's words and codes for what cannot be started.
    @Test func failuresOfStart() async throws {
        try await withContainers("failures") { box in
            try Files.write(box.directory.path("image/plain"), "no program")
            try Files.write(box.directory.path("image/script"), "#!/no/such/shell\n", mode: 0o755)
            for (id, arguments, user, code, text) in [
                ("a", ["nope"], "", 127, "exec: \"nope\": executable file not found in $PATH"),
                ("b", ["/nope"], "", 127, "exec: \"/nope\": stat /nope: no such file or directory"),
                ("c", ["/plain"], "", 126, "exec: \"/plain\": permission denied"),
                ("d", ["/etc"], "", 126, "exec: \"/etc\": is a directory"),
                ("e", ["/script"], "", 127, "exec /script: no such file or directory"),
                ("f", ["true"], "ghost", 126, "unable to find user ghost: no matching entries in passwd file"),
            ] as [(String, [String], String, Int32, String)] {
                var specification = try box.specification(id, arguments)
                specification.process.user.name = user
                _ = try await box.runtime.create(specification)
                do {
                    try await box.runtime.start(id)
                    Issue.record("\(arguments) was started")
                } catch let error as RuntimeError {
                    #expect(error.reason == text)
                    #expect(error.exitCode == code)
                }
                let record = try await box.runtime.wait(id)
                #expect(record.code == code)
                #expect(record.error == text)
            }
        }
    }

    @Test func nothingIsLeftOfAFailedCreation() async throws {
        try await withContainers("creation") { box in
            var specification = try box.specification("a", ["true"])
            specification.mounts.append(ContainerMountList.bind("/no/such/source", at: "/x"))
            do {
                _ = try await box.runtime.create(specification)
                Issue.record("created")
            } catch let error as RuntimeError {
                #expect(error.reason.contains("/no/such/source"))
            }
            #expect(await box.runtime.state("a") == nil)
            #expect(try Files.list(box.directory.path("run/containers")) == [])
            // The name is free again.
            #expect(try await box.run("a", "exit 4").record.code == 4)
        }
    }

    @Test func limitsOfTheProcess() async throws {
        try await withContainers("limits") { box in
            let (_, output) = try await box.run("a", "ulimit -n; cat /proc/self/oom_score_adj") {
                $0.process.configuration.rlimits = [.init(type: "RLIMIT_NOFILE", soft: 123, hard: 456)]
                $0.process.configuration.oomScoreAdj = 100
            }
            #expect(output == "123\n100\n")
        }
    }

    @Test func aReaperOfOurs() async throws {
        try await withContainers("reaper") { box in
            let (record, output) = try await box.run(
                "a",
                """
                echo $$
                sh -c 'sh -c "exit 0" & exec true' ; usleep 100000
                grep -c zombie /proc/[0-9]*/status | grep -v :0
                cat /proc/1/cmdline | head -c 4; echo
                exit 5
                """
            ) { $0.hasInit = true }
            #expect(record.code == 5)
            #expect(output.hasSuffix("init\n"))
            #expect(!output.hasPrefix("1\n"))
            do {
                var specification = try box.specification("b", ["nope"])
                specification.hasInit = true
                _ = try await box.runtime.create(specification)
                try await box.runtime.start("b")
                Issue.record("started")
            } catch let error as RuntimeError {
                #expect(error.exitCode == 127)
            }
        }
    }
}
