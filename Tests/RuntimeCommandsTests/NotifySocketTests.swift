import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// `NOTIFY_SOCKET` as runc has it: what a container says of its readiness goes on (sd_notify(3)).
@Suite(.bundles) struct NotifySocketTests {
    /// perl-base is on every Debian; busybox cannot write to such a socket.
    private static let interpreter = "/usr/bin/perl"
    private static let isPossible = access(interpreter, X_OK) == 0
    private static let script = """
        \(interpreter) -MSocket -e 'socket(my $s, AF_UNIX, SOCK_DGRAM, 0);
            for my $text ("STATUS=begins", "READY=1\\nSTATUS=is there\\n") {
                send($s, $text, 0, sockaddr_un($ENV{NOTIFY_SOCKET})) or die "send: $!"
            }'
        touch /data/said; exec sleep 1000
        """

    /// A bound datagram socket (unix(7)).
    private static func listen(_ path: String) throws -> Descriptor {
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let number = socket(AF_UNIX, kind, 0)
        guard number >= 0 else { throw SystemError("socket", errno: errno) }
        let listener = Descriptor(owning: number)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw SystemError("bind", path, errno: errno) }
        return listener
    }

    /// What has come, a line each.
    private static func received(_ listener: Int32) -> [String] {
        var lines: [String] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(listener, &buffer, buffer.count, 0)
            guard count > 0 else { return lines }
            lines += String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }

    private static func prepare(_ fixture: BundleFixture) throws -> String {
        let bundle = try fixture.prepare("c", script) { $0.mount("/usr", "/usr", ["rbind", "ro"]) }
        for name in ["lib", "lib64"] { symlink("usr/" + name, fixture.inRoot("c", "/" + name)) }
        return bundle
    }

    @Test(.enabled(if: isPossible, "needs perl"), arguments: [false, true])
    func `READY=1 from the container reaches the host's socket, and MAINPID with it`(isDetachedRun: Bool) async throws {
        try await withBundles("notify") { fixture in
            let path = fixture.directory.path("notify")
            let listener = try Self.listen(path)
            let bundle = try Self.prepare(fixture)
            let environment = ["NOTIFY_SOCKET=" + path]
            let commands =
                isDetachedRun
                ? [["run", "--detach", "--bundle", bundle, "c"]]
                : [["create", "--bundle", bundle, "c"], ["start", "c"]]
            var outputs: [CommandResult] = []
            for words in commands {
                let result = try await fixture.runtime(words, environment: environment)
                try #require(result.code == 0, "\(words): \(result), \(outputs.map(\.errors))")
                outputs.append(result)
            }
            try await fixture.waitFile(fixture.inRoot("c", "/data/said"))
            var lines: [String] = []
            try await waitUntil("READY=1 and MAINPID come") {
                lines += Self.received(listener.rawValue)
                return lines.contains("READY=1") && lines.contains { $0.hasPrefix("MAINPID=") }
            }
            let pid = try await fixture.pid("c")
            #expect(lines.contains("MAINPID=\(pid)"), "\(lines)")
        }
    }

    @Test func `without one there is none in the container`() async throws {
        try await withBundles("nonotify") { fixture in
            let result = try await fixture.run("c", "echo \"[$NOTIFY_SOCKET]\"; test -e /run/notify || echo none")
            #expect(result.lines == ["[]", "none"], "\(result)")
        }
    }
}
