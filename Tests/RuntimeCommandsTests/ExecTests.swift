import JSON
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// `exec` with runc's flags; config.md: Process.
@Suite(.bundles) struct ExecTests {
    @Test func `exit status, streams, flags`() async throws {
        try await withBundles("exec") { fixture in
            let pid = try await fixture.launch("c")
            #expect(pid > 0)
            let status = try await fixture.exec("c", "echo out; echo error >&2; exit 9")
            #expect(status.code == 9)
            #expect(status.output == "out\n")
            #expect(status.errors.hasPrefix("error\n"))
            let killed = try await fixture.exec("c", "kill -9 $$")
            #expect(killed.code == 137)
            let input = try await fixture.succeed("exec", "c", "cat", input: "given")
            #expect(input.output == "given")
            let flagged = try await fixture.exec(
                "c", "id -u; id -g; id -G; pwd; echo $A; echo $PATH",
                flags: ["--user", "1000:1001", "--additional-gids", "7", "--cwd", "/tmp", "--env", "A=b"])
            #expect(flagged.lines == ["1000", "1001", "1001 7", "/tmp", "b", "/bin"], "\(flagged)")
            let granted = try await fixture.exec(
                "c", "grep CapBnd /proc/self/status | tr -d '\\t'", flags: ["--cap", "CAP_CHOWN"])
            // CAP_CHOWN beside CAP_KILL, CAP_NET_BIND_SERVICE and CAP_AUDIT_WRITE.
            #expect(granted.line == "CapBnd:0000000020000421", "\(granted)")
        }
    }

    @Test func `a process from a file (exec --process)`() async throws {
        try await withBundles("execfile") { fixture in
            try await fixture.launch("c")
            var process = ProcessConfiguration(args: ["/bin/sh", "-c", "pwd; echo $A; id -u; exit 4"], cwd: "/tmp")
            process.user = .init(uid: 12, gid: 13)
            process.env = ["PATH=/bin", "A=b"]
            let text = String(decoding: try JSONCoding.encode(process), as: UTF8.self)
            let file = try fixture.directory.write("process.json", text)
            let result = try await fixture.command("exec", "--process", file, "c")
            #expect(result.code == 4)
            #expect(result.lines == ["/tmp", "b", "12"], "\(result)")
        }
    }

    @Test func `exec --detach writes its --pid-file and returns`() async throws {
        try await withBundles("execdetach") { fixture in
            let first = try await fixture.launch("c")
            let file = fixture.directory.path("pid")
            try await fixture.succeed("exec", "--detach", "--pid-file", file, "c", "sleep", "1000")
            let pid = try #require(Int32(try Files.text(file)))
            #expect(isAlive(pid))
            for name in ["mnt", "pid", "uts", "ipc", "net"] {
                #expect(linkTarget("/proc/\(pid)/ns/\(name)") == linkTarget("/proc/\(first)/ns/\(name)"), "\(name)")
            }
            #expect(fixture.processes("c").sorted() == [first, pid].sorted())
        }
    }

    @Test func `exec of what is not there, and into what does not run`() async throws {
        try await withBundles("execwrong") { fixture in
            try await fixture.launch("c")
            let missing = try await fixture.command("exec", "c", "/bin/nothing")
            #expect(missing.code != 0)
            #expect(missing.errors.contains("/bin/nothing"), "\(missing)")
            let status = try await fixture.state("c")["status"]
            #expect(status == "running")
            try await fixture.stop("c")
            let ended = try await fixture.exec("c", "true")
            #expect(ended.code != 0)
            #expect(!ended.errors.isEmpty)
        }
    }
}
