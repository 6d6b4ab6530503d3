import Glibc
import LinuxSystem
import TestSupport
import Testing

/// `--pidfd-socket`: a pidfd of the process, and beside it runc's word for what it is: `standard` or `setns`.
@Suite(.bundles) struct PidfdSocketTests {
    /// The word that comes, and the process of the pidfd beside it.
    private static func received(_ listener: borrowing Descriptor) throws -> (word: String, process: String) {
        let connection = try UnixSocket.accept(listener.rawValue)
        let message = try UnixSocket.receive(connection.rawValue, upTo: 4096)
        let pidfd = Descriptor(owning: try #require(message.descriptors.first))
        let information = try Files.text("/proc/self/fdinfo/\(pidfd.rawValue)")
        let line = try #require(information.split(separator: "\n").first { $0.hasPrefix("Pid:") })
        return (String(decoding: message.bytes, as: UTF8.self), String(line.dropFirst(5)))
    }

    @Test func `of create, and of exec`() async throws {
        try await withBundles("pidfd") { fixture in
            let path = fixture.directory.path("pidfd")
            let listener = try UnixSocket.listen(path)
            let pid = try await fixture.launch("c", flags: ["--pidfd-socket", path])
            #expect(try Self.received(listener) == ("standard", "\(pid)"))
            let file = fixture.directory.path("pid")
            try await fixture.succeed(
                "exec", "--detach", "--pid-file", file, "--pidfd-socket", path, "c", "sleep", "1000")
            #expect(try Self.received(listener) == ("setns", Files.text(file)))
        }
    }

    @Test func `a path where nobody listens is told as its own`() async throws {
        try await withBundles("nopidfd") { fixture in
            let path = fixture.directory.path("nothing")
            let bundle = try fixture.prepare("c", "exec sleep 1000")
            let created = try await fixture.command("create", "--bundle", bundle, "--pidfd-socket", path, "c")
            #expect(created.code == 1 && created.errors.contains("pidfd socket \(path)"), "\(created)")
            try await fixture.expectNothingLeft("c")
            try await fixture.launch("c")
            let result = try await fixture.command("exec", "--pidfd-socket", path, "c", "sleep", "1000")
            #expect(result.code == 255 && result.errors.contains("pidfd socket \(path)"), "\(result)")
        }
    }
}
