import ContainerRuntime
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// Containers outlive the process that made them, and their ends are not lost.
@Suite(.containers) struct SurvivalTests {
    private func shim(_ box: ContainerFixture, _ id: String) throws -> ShimState {
        try JSONCoding.decode(
            ShimState.self, from: Files.read(box.directory.path("run/containers/\(id)/\(ShimFiles.state)")))
    }

    private func isAlive(_ pid: pid_t) -> Bool {
        // A zombie whose parent takes its time is gone all the same.
        guard let status = try? Files.text("/proc/\(pid)/stat"), let end = status.lastIndex(of: ")") else {
            return false
        }
        return !status[end...].hasPrefix(") Z")
    }

    @Test func theShimBelongsToNobody() async throws {
        try await withContainers("detached") { box in
            try await box.start("a", "exec sleep 1000")
            let state = try shim(box, "a")
            let status = try Files.text("/proc/\(state.shimPid)/stat")
            let fields = status[status.lastIndex(of: ")")!...].split(separator: " ")
            // Parent and session (proc_pid_stat(5)).
            #expect(fields[2] != "\(getpid())")
            #expect(fields[4] == "\(state.shimPid)")
            let groups = try Files.text("/proc/\(state.shimPid)/cgroup").split(separator: "\n")
            #expect(groups.allSatisfy { $0.hasSuffix(box.groupName + "/shims") })
        }
    }

    /// Another runtime on the same directories is the daemon after its restart.
    @Test func aRestartedDaemonFindsThem() async throws {
        try await withContainers("restart") { box in
            try await box.start("runs", "trap 'exit 3' TERM; echo ready; while :; do usleep 1000; done")
            try await waitUntil("the trap is set") { try box.log("runs").count == 1 }
            _ = try await box.runtime.create(box.specification("waits", ["/bin/sh", "-c", "exit 6"]))
            #expect(try await box.run("ended", "exit 5").record.code == 5)

            let second = try ContainerFixture.runtime(box.directory)
            let found = await second.recover()
            var states: [String: ContainerState] = [:]
            for container in found { states[container.id] = container.state }
            #expect(found.count == 3)
            guard case .running(let pid)? = states["runs"], case .created? = states["waits"],
                case .ended(let record)? = states["ended"]
            else {
                Issue.record("\(states)")
                return
            }
            #expect(isAlive(pid))
            #expect(record.code == 5)
            #expect(try await second.wait("ended").code == 5)
            try await second.start("waits")
            #expect(try await second.wait("waits").code == 6)
            try await second.kill("runs", signal: SIGTERM)
            #expect(try await second.wait("runs").code == 3)
            // Both saw it.
            #expect(try await box.runtime.wait("runs").code == 3)
            var ends: Set<String> = []
            for await end in second.exits {
                ends.insert(end.id)
                if ends.count == 2 { break }
            }
            #expect(ends == ["runs", "waits"])
        }
    }

    @Test func anEndWhileTheDaemonIsAway() async throws {
        try await withContainers("away") { box in
            try await box.start("a", "sleep 0.2; exit 8")
            try await waitUntil("the record is there") {
                Files.exists(box.directory.path("data/containers/a/\(ShimFiles.exit)"))
            }
            let second = try ContainerFixture.runtime(box.directory)
            #expect(try await second.wait("a").code == 8)
            guard case .ended(let record)? = await second.state("a") else {
                Issue.record("it has no end")
                return
            }
            #expect(record.code == 8)
        }
    }

    @Test func aKilledShimTakesItsContainerAlong() async throws {
        try await withContainers("shim") { box in
            let pid = try await box.start("a", "sleep 1000 & exec sleep 1000")
            Glibc.kill(try shim(box, "a").shimPid, SIGKILL)
            let record = try await box.runtime.wait("a")
            #expect(record.code == 137)
            #expect(!isAlive(pid))
            // As root of another user too, whose change takes the death signal away.
            let other = try await box.start("b", "exec sleep 1000") { $0.process.user.name = "app" }
            let state = try shim(box, "b")
            Glibc.kill(state.shimPid, SIGKILL)
            try await waitUntil("its process is dead") { !isAlive(other) }
            #expect(try await box.runtime.wait("b").code == 137)
            // The record stays, and so does the name's freedom.
            #expect(try await ContainerFixture.runtime(box.directory).wait("b").code == 137)
            #expect(try await box.run("b", "exit 1").record.code == 1)
        }
    }

    @Test func aKilledShimFoundLater() async throws {
        try await withContainers("later") { box in
            try await box.start("a", "exec sleep 1000")
            let state = try shim(box, "a")
            Glibc.kill(state.shimPid, SIGKILL)
            try await waitUntil("the shim is dead") { !isAlive(state.shimPid) }
            let second = try ContainerFixture.runtime(box.directory)
            let found = await second.recover()
            // The first instance may have seen it already.
            if case .ended(let record)? = found.first?.state { #expect(record.code == 137) }
            #expect(try await second.wait("a").code == 137)
            for group in state.cgroups { #expect(!Files.exists(group.path)) }
        }
    }

    @Test func deletionLeavesNothing() async throws {
        try await withContainers("delete") { box in
            try await box.start("a", "exec sleep 1000")
            let state = try shim(box, "a")
            try await box.runtime.delete("a")
            #expect(!isAlive(state.containerPid))
            #expect(!Files.exists(box.directory.path("run/containers/a")))
            for group in state.cgroups { #expect(!Files.exists(group.path)) }
            #expect(await box.runtime.state("a") == nil)
            await #expect(throws: RuntimeError.self) { _ = try await box.runtime.wait("a") }
            try await box.runtime.delete("a")
        }
    }

    @Test func theSameNameAgainAndAgain() async throws {
        try await withContainers("again") { box in
            for number in 0..<10 {
                let record = try await box.run("a", "exit \(number)").record
                #expect(record.code == Int32(number))
            }
        }
    }

    @Test func manyAtOnce() async throws {
        try await withContainers("many") { box in
            let codes = try await withThrowingTaskGroup(of: Int32.self) { group in
                for number in 0..<20 {
                    group.addTask { try await box.run("c\(number)", "exit \(number)").record.code }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(codes.sorted() == (0..<20).map { Int32($0) })
        }
    }

    @Test func namesThatLeadElsewhereAreRefused() async throws {
        try await withContainers("names") { box in
            for id in ["", "..", "a/b", "../x"] {
                var specification = try box.specification("fine", ["true"])
                specification.id = id
                await #expect(throws: RuntimeError.self) { _ = try await box.runtime.create(specification) }
            }
        }
    }
}
