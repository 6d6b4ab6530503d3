import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: terminal, consoleSize; `--console-socket` as runc has it.
@Suite(.bundles) struct TerminalTests {
    /// The terminal's master from a console socket.
    private static func master(_ listener: borrowing Descriptor) async throws -> Descriptor {
        let number = listener.rawValue
        try await waitUntil("a connection comes") {
            var polled = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            return poll(&polled, 1, 0) == 1
        }
        let connection = try UnixSocket.accept(listener.rawValue)
        let message = try UnixSocket.receive(connection.rawValue, upTo: 4096)
        return Descriptor(owning: try #require(message.descriptors.first))
    }

    private static func read(_ master: borrowing Descriptor, until text: String) async throws -> String {
        let number = master.rawValue
        _ = fcntl(number, F_SETFL, O_NONBLOCK)
        var received: [UInt8] = []
        try await waitUntil("the terminal shows \(text)") {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = Glibc.read(number, &buffer, buffer.count)
            if count > 0 { received += buffer[..<count] }
            return String(decoding: received, as: UTF8.self).contains(text)
        }
        return String(decoding: received, as: UTF8.self)
    }

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
            let master = try await Self.master(listener)
            try await fixture.succeed("start", "c")
            let text = try await Self.read(master, until: "33 101")
            #expect(text.contains("/dev/pts/0") || text.contains("/dev/console"), "\(text)")
            try Bytes.writeAll(master.rawValue, Array("line\n".utf8))
            _ = try await Self.read(master, until: "got line")
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
            let master = try await Self.master(listener)
            _ = try await Self.read(master, until: "/dev/pts/")
            try Bytes.writeAll(master.rawValue, Array("line\n".utf8))
            _ = try await Self.read(master, until: "got line")
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
