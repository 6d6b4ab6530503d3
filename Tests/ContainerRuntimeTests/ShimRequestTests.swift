import Cgroups
import ContainerRuntime
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// What a shim does with requests whose client is not there for the answer, and with strange ones.
@Suite(.containers) struct ShimRequestTests {
    @Test func aStartCountsWithoutItsClient() async throws {
        try await withContainers("unheard") { box in
            let pid = try await box.runtime.create(box.specification("a", ["/bin/sleep", "1000"]))
            _ = try box.ask("a", .start)
            try await waitUntil("it is started") { try box.answer("a", .state).isStarted == true }
            #expect(try box.answer("a", .start).error == "container a is already started")
            let process = try box.specification("x", ["/bin/echo", "here"]).process
            let connection = try await box.runtime.exec("a", execID: "e", process)
            #expect(try await ContainerFixture.drain(connection).output == "here\n")
            try await box.asleep("a")
            let found = try await ContainerFixture.runtime(box.directory).recover()
            #expect(found.map(\.state) == [.running(pid: pid)])
        }
    }

    @Test func aRequestThatIsTooLongIsAnswered() async throws {
        try await withContainers("long") { box in
            try await box.start("a", "exec sleep 1000")
            let client = try UnixSocket.connect(box.directory.path("run/containers/a/\(ShimFiles.socket)"))
            try Bytes.writeAll(client.rawValue, [UInt8](repeating: 0x61, count: ShimLimits.line + 1))
            #expect(try ContainerFixture.answer(client).error?.contains("too long") == true)
            #expect(try Bytes.read(client.rawValue, upTo: 1).isEmpty)
        }
    }

    @Test func aSignalToAllReachesGroupsBelow() async throws {
        try await withContainers("below") { box in
            let pid = try await box.start("a", "sleep 1000; echo woken; exec sleep 1000")
            let group = ControlGroup(
                directories: try JSONCoding.decode(
                    ShimState.self, from: Files.read(box.directory.path("run/containers/a/\(ShimFiles.state)"))
                ).cgroups)
            let other = try await waitFor("its child is there") { group.processes().first { $0 != pid } }
            for directory in group.directories where directory.isUnified || directory.controllers.contains("pids") {
                try Files.makeDirectories(directory.path + "/below")
                try Files.set(directory.path + "/below/cgroup.procs", "\(other)")
            }
            try await box.runtime.kill("a", signal: SIGTERM, wholeGroup: true)
            try await waitUntil("its child has ended") { try box.log("a").contains { $0.text == "woken\n" } }
            #expect(Files.exists("/proc/\(pid)"))
        }
    }

    // MARK: An end that cannot be recorded

    /// A container that `end` ends, whose shim finds something in the place of its record.
    private static func unrecorded(
        _ box: ContainerFixture, _ end: ShimRequest = .kill(signal: SIGKILL, wholeGroup: false)
    ) async throws -> (record: String, obstacle: String) {
        try box.createAlone(box.specification("a", ["/bin/sh", "-c", "exit 7"]))
        let record = box.directory.path("data/containers/a/\(ShimFiles.exit)")
        try Files.makeDirectories(record + "/obstacle")
        #expect(try box.answer("a", end).error == nil)
        try await waitUntil("it has ended") { try box.answer("a", .state).exit != nil }
        return (record, record + "/obstacle")
    }

    private static func isThere(_ box: ContainerFixture) -> Bool {
        Files.exists(box.directory.path("run/containers/a/\(ShimFiles.socket)"))
    }

    @Test func anEndIsKeptUntilItIsRecorded() async throws {
        try await withContainers("unrecorded") { box in
            let (record, obstacle) = try await Self.unrecorded(box)
            // It was never started.
            #expect(try box.answer("a", .state).isStarted == false)
            try #require(rmdir(obstacle) == 0 && rmdir(record) == 0)
            try await waitUntil("the shim has ended") { !Self.isThere(box) }
            #expect(try JSONCoding.decode(ExitRecord.self, from: Files.read(record)).code == 137)
            #expect(!Files.exists(box.directory.path("run/containers/a/\(ShimFiles.state)")))
        }
    }

    @Test func anEndIsKeptUntilItIsTold() async throws {
        try await withContainers("untold") { box in
            let (_, obstacle) = try await Self.unrecorded(box)
            #expect(try box.answer("a", .wait).exit?.code == 137)
            try await waitUntil("the shim has ended") { !Self.isThere(box) }
            #expect(Files.exists(obstacle))
        }
    }

    @Test func anEndThatTheShimCannotRecordIsRecordedByTheDaemon() async throws {
        try await withContainers("kept") { box in
            try await box.start("a", "exec sleep 1000")
            let record = box.directory.path("data/containers/a/\(ShimFiles.exit)")
            // The shim writes a file of this name first.
            try Files.makeDirectories(record + ".new/obstacle")
            try await box.runtime.kill("a", signal: SIGKILL)
            #expect(try await box.runtime.wait("a").code == 137)
            #expect(try JSONCoding.decode(ExitRecord.self, from: Files.read(record)).code == 137)
        }
    }

    @Test func aDaemonThatComesBackIsTold() async throws {
        try await withContainers("back") { box in
            let (_, obstacle) = try await Self.unrecorded(box, .start)
            let runtime = try ContainerFixture.runtime(box.directory)
            guard case .ended(let record)? = await runtime.recover().first?.state else {
                Issue.record("it has no end")
                return
            }
            #expect(record.code == 7)
            try await waitUntil("the shim has ended") { !Self.isThere(box) }
            #expect(Files.exists(obstacle))
        }
    }
}
