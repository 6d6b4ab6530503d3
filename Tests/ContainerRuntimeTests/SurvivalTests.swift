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
            let (own, groups) = (try groups(of: getpid()), try groups(of: state.shimPid))
            #expect(Set(own.keys) == Set(groups.keys))
            for (hierarchy, path) in groups {
                let outside = "/\(box.groupName)/shims"
                // Below a unit's group it would end with the unit, and v2's hands controllers on from the root only.
                let own = own[hierarchy] ?? ""
                let isUnits = [".service", ".scope", ".slice"].contains { (own + "/").contains($0 + "/") }
                let mayBeBelow = !hierarchy.isEmpty && !isUnits
                #expect(path == outside || mayBeBelow && path == own + outside, "\(hierarchy)")
            }
        }
    }

    /// A process's paths by the controllers of the hierarchy, none for v2's (cgroups(7), /proc/pid/cgroup).
    private func groups(of pid: pid_t) throws -> [String: String] {
        let lines = try Files.text("/proc/\(pid)/cgroup").split(separator: "\n")
        return Dictionary(
            uniqueKeysWithValues: lines.map { line in
                let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
                return (String(fields[1]), String(fields[2]))
            })
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
            try box.createAlone(box.specification("a", ["/bin/sh", "-c", "exit 8"]))
            let shim = try shim(box, "a").shimPid
            #expect(try box.answer("a", .start).error == nil)
            try await waitUntil("the shim is gone") { !isAlive(shim) }
            let later = try ContainerFixture.runtime(box.directory)
            guard case .ended(let record)? = await later.recover().first?.state else {
                Issue.record("it has no end")
                return
            }
            #expect(record.code == 8)
            #expect(try await later.wait("a") == record)
            #expect(await later.state("a") == .ended(record))
        }
    }

    /// Nobody else is there who would kill it (prctl(2): PR_SET_PDEATHSIG).
    @Test(arguments: ["", "app"])
    func aKilledShimTakesItsContainerAlong(_ user: String) async throws {
        try await withContainers("shim") { box in
            var specification = try box.specification("a", ["/bin/sh", "-c", "sleep 1000 & exec sleep 1000"])
            // The change to another user takes the death signal away.
            specification.process.user.name = user
            try box.createAlone(specification)
            let pid = try #require(try box.answer("a", .start).pid)
            let state = try shim(box, "a")
            Glibc.kill(state.shimPid, SIGKILL)
            try await waitUntil("its process is dead") { !isAlive(pid) }
            let later = try ContainerFixture.runtime(box.directory)
            guard case .ended(let record)? = await later.recover().first?.state else {
                Issue.record("it has no end")
                return
            }
            #expect(record.code == 137)
            for group in state.cgroups { #expect(!Files.exists(group.path)) }
            // The record stays, and so does the name's freedom.
            #expect(try await ContainerFixture.runtime(box.directory).wait("a").code == 137)
            #expect(try await box.run("a", "exit 1").record.code == 1)
        }
    }

    @Test func whoWatchesSeesTheDeathOfAShim() async throws {
        try await withContainers("watched") { box in
            let pid = try await box.start("a", "exec sleep 1000")
            let state = try shim(box, "a")
            Glibc.kill(state.shimPid, SIGKILL)
            #expect(try await box.runtime.wait("a").code == 137)
            #expect(!isAlive(pid))
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
