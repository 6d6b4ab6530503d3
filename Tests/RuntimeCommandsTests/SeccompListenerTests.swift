import Glibc
import JSON
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config-linux.md: Seccomp (listenerPath, listenerMetadata), The Container Process State; seccomp_unotify(2).
@Suite(.bundles) struct SeccompListenerTests {
    private static let script = "mkdir /tmp/made; echo \"status $?\"; test -e /tmp/made || echo none"

    private static func filter(_ path: String) -> SeccompConfiguration {
        var filter = SeccompConfiguration(defaultAction: .allow)
        filter.listenerPath = path
        filter.listenerMetadata = "of the test"
        filter.syscalls = [.init(["mkdir", "mkdirat"], .notify)]
        return filter
    }

    private static func isReadable(_ descriptor: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) == 1 && entry.revents & Int16(POLLIN) != 0
    }

    private struct Received {
        let state: JSONValue
        /// Owned by the caller.
        let descriptors: [Int32]
    }

    /// Takes one connection and the document that is written to it, with what comes beside it.
    private static func receive(_ listener: Int32) async throws -> Received {
        try await waitUntil("the runtime connects") { isReadable(listener) }
        let connection = try UnixSocket.accept(listener)
        var bytes: [UInt8] = []
        var descriptors: [Int32] = []
        while true {
            try await waitUntil("the state comes") { isReadable(connection.rawValue) }
            let message = try UnixSocket.receive(connection.rawValue, upTo: 65536)
            bytes += message.bytes
            descriptors += message.descriptors
            let state = try? JSONValue(parsing: bytes)
            if let state { return Received(state: state, descriptors: descriptors) }
            // The end, and no whole document.
            if message.bytes.isEmpty { return Received(state: try JSONValue(parsing: bytes), descriptors: descriptors) }
        }
    }

    /// Answers one notification with an error number.
    ///
    /// - Returns: the number of the call.
    private static func answer(_ descriptor: Int32, _ number: Int32) async throws -> Int32 {
        try await waitUntil("a call is notified of") { isReadable(descriptor) }
        // struct seccomp_notif: id, pid, flags, then seccomp_data with the call's number first.
        var notification = [UInt64](repeating: 0, count: 10)
        let receive: UInt = 0xC050_2100
        guard ioctl(descriptor, receive, &notification) == 0 else { throw SystemError("receive", errno: errno) }
        // struct seccomp_notif_resp: id, val, error and flags.
        var response: [UInt64] = [notification[0], 0, UInt64(UInt32(bitPattern: -number))]
        let send: UInt = 0xC018_2101
        guard ioctl(descriptor, send, &response) == 0 else { throw SystemError("answer", errno: errno) }
        return Int32(truncatingIfNeeded: notification[2])
    }

    @Test func `the listener gets the state and the descriptor, and its answer is the call's result`() async throws {
        try await withBundles("listener") { fixture in
            let path = fixture.directory.path("listener")
            let listener = try UnixSocket.listen(path)
            let bundle = try fixture.prepare("c", Self.script) {
                $0.annotations = ["key": "value"]
                $0.linux?.seccomp = Self.filter(path)
            }
            let words = [try #require(BundleFixture.program), "--root", fixture.stateRoot, "run", "--bundle", bundle]
            let command = try StartedCommand(words + ["c"], in: fixture.directory)
            do {
                let received = try await Self.receive(listener.rawValue)
                #expect(received.state["ociVersion"]?.string?.hasPrefix("1.") == true)
                #expect(received.state["fds"] == ["seccompFd"])
                #expect(received.state["metadata"] == "of the test")
                let state = try #require(received.state["state"])
                #expect(state["id"] == "c")
                #expect(state["bundle"]?.string == bundle)
                // runc loads the filter before `create` ends; the specification leaves it open.
                #expect(["creating", "created"].contains(state["status"]?.string))
                #expect(state["annotations"]?["key"] == "value")
                let pid = try #require(received.state["pid"]?.integer)
                #expect(state["pid"]?.integer == pid)
                #expect(fixture.processes("c").contains(pid_t(pid)))
                try #require(received.descriptors.count == 1)
                let notifications = Descriptor(owning: received.descriptors[0])
                let call = try await Self.answer(notifications.rawValue, EDQUOT)
                // mkdir and mkdirat of x86-64.
                #expect([83, 258].contains(call))
            } catch {
                try await command.stop()
                throw error
            }
            let result = try await command.end()
            #expect(result.lines == ["status 1", "none"], "\(result)")
            #expect(result.errors.lowercased().contains("quota exceeded"), "\(result)")
        }
    }

    @Test func `exec tells the listener of its process too`() async throws {
        try await withBundles("listenexec") { fixture in
            let path = fixture.directory.path("listener")
            let listener = try UnixSocket.listen(path)
            let pid = try await fixture.launch("c") { $0.linux?.seccomp = Self.filter(path) }
            let first = try await Self.receive(listener.rawValue)
            for descriptor in first.descriptors { close(descriptor) }
            let words = [
                try #require(BundleFixture.program), "--root", fixture.stateRoot, "exec", "c", "/bin/sh", "-c",
            ]
            let command = try StartedCommand(words + [Self.script], in: fixture.directory)
            do {
                let received = try await Self.receive(listener.rawValue)
                #expect(received.state["pid"]?.integer != Int64(pid))
                #expect(received.state["state"]?["status"] == "running")
                #expect(received.state["state"]?["pid"]?.integer == Int64(pid))
                try #require(received.descriptors.count == 1)
                let notifications = Descriptor(owning: received.descriptors[0])
                _ = try await Self.answer(notifications.rawValue, EDQUOT)
            } catch {
                try await command.stop()
                throw error
            }
            let result = try await command.end()
            #expect(result.lines == ["status 1", "none"], "\(result)")
        }
    }

    @Test func `a listener that is not there ends the creation or the start`() async throws {
        try await withBundles("nolistener") { fixture in
            let path = fixture.directory.path("nobody")
            let result = try await fixture.run("c", "touch /data/started") { $0.linux?.seccomp = Self.filter(path) }
            #expect(result.code != 0)
            #expect(!Files.exists(fixture.inRoot("c", "/data/started")))
            #expect(result.errors.contains(path), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }
}
