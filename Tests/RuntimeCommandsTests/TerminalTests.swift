import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: terminal, consoleSize; `--console-socket` as runc has it.
@Suite(.bundles) struct TerminalTests {
    @Test func `the master comes by the console socket, with the size (config.md: consoleSize)`() async throws {
        try await withBundles("terminal") { fixture in
            let path = fixture.directory.path("console")
            let listener = try UnixSocket.listen(path)
            try await fixture.create(
                "c", "tty; stty size; read line; echo got $line", flags: ["--console-socket", path]
            ) {
                $0.process?.terminal = true
                $0.process?.consoleSize = try decoded(#"{"height":33,"width":101}"#)
            }
            let master = try await ConsolePeer.master(listener)
            try await fixture.succeed("start", "c")
            let text = try await ConsolePeer.read(master, until: "33 101")
            #expect(text.contains("/dev/pts/0") || text.contains("/dev/console"), "\(text)")
            try Bytes.writeAll(master.rawValue, Array("line\n".utf8))
            _ = try await ConsolePeer.read(master, until: "got line")
            try await fixture.waitStatus("c", "stopped")
        }
    }

    @Test func `exec -t has a terminal of its own`() async throws {
        try await withBundles("exectty") { fixture in
            try await fixture.launch("c")
            let path = fixture.directory.path("console")
            let listener = try UnixSocket.listen(path)
            try await fixture.succeed(
                "exec", "-t", "--detach", "--console-socket", path, "c", "/bin/sh", "-c", "tty; read x; echo got $x")
            let master = try await ConsolePeer.master(listener)
            _ = try await ConsolePeer.read(master, until: "/dev/pts/")
            try Bytes.writeAll(master.rawValue, Array("line\n".utf8))
            _ = try await ConsolePeer.read(master, until: "got line")
        }
    }

    @Test func `a terminal needs a console socket at create, and a socket a terminal`() async throws {
        try await withBundles("noconsole") { fixture in
            let bundle = try fixture.prepare("c", "true") { $0.process?.terminal = true }
            let missing = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(missing.code == 1)
            #expect(!missing.errors.isEmpty)
            try await fixture.expectNothingLeft("c")
            let path = fixture.directory.path("console")
            let listener = try UnixSocket.listen(path)
            #expect(listener.rawValue >= 0)
            let plain = try fixture.prepare("d", "true")
            let needless = try await fixture.command("create", "--console-socket", path, "--bundle", plain, "d")
            #expect(needless.code == 1)
            try await fixture.expectNothingLeft("d")
        }
    }
}
