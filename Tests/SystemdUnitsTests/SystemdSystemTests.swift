import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

@testable import SystemdUnits

/// The machine's own systemd: scopes and slices of these tests' own, taken away at the end.
@Suite(
    .enabled(if: SystemdManager.isRunning, "needs a machine booted with systemd (/run/systemd/system)"),
    .enabled(if: TestEnvironment.isRoot, "needs root"), .serialized)
struct SystemdSystemTests {
    /// A process that sleeps; killed and waited for at the end.
    private final class Sleeper {
        let process: pid_t

        init() throws {
            let path = try #require(TestEnvironment.command("sleep"))
            let null = try Descriptor.open("/dev/null", O_RDWR)
            process = try ChildProcess.spawn(
                path, ["sleep", "600"], environment: [], descriptors: [null.rawValue, null.rawValue, 2])
        }

        deinit {
            kill(process, SIGKILL)
            _ = try? ChildProcess.wait(process)
        }

        /// It is not waited for yet, so that its number stays its own.
        var hasEnded: Bool {
            var information = siginfo_t()
            return waitid(P_PID, id_t(process), &information, WEXITED | WNOHANG | WNOWAIT) == 0
                && information.si_signo == SIGCHLD
        }

        /// Its group's path in the hierarchy that counts processes (cgroups(7), proc_pid_cgroup(5)).
        func group() throws -> String? {
            for line in try Files.text("/proc/\(process)/cgroup").split(separator: "\n") {
                let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
                let isWanted =
                    SystemdSystemTests.hierarchy == .unified
                    ? fields[0] == "0" : fields[1].split(separator: ",").contains("pids")
                if fields.count == 3, isWanted { return String(fields[2]) }
            }
            return nil
        }
    }

    private static let hierarchy: SystemdHierarchy =
        Files.exists("/sys/fs/cgroup/cgroup.controllers") ? .unified : .legacy
    private static let root = hierarchy == .unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids"

    private static func text(_ file: String, in group: String) -> String? {
        guard let text = try? Files.text(root + group + "/" + file) else { return nil }
        return String(text[...].trimmed)
    }

    private static func unit(
        _ path: SystemdCgroupPath, _ process: pid_t?, _ properties: [UnitProperty] = []
    ) -> TransientUnit {
        TransientUnit(
            path, description: "a test of Martlet's", process: process, hierarchy: hierarchy, properties: properties)
    }

    /// systemd.resource-control(5), TasksMax; org.freedesktop.systemd1(5), StartTransientUnit and its like.
    @Test(.timeLimit(.minutes(5))) func aScopeFromStartToEnd() async throws {
        let path = try SystemdCgroupPath(
            cgroupsPath: "martlettestscope\(getpid()).slice:martlet:scope", identifier: "scope")
        let (first, second) = (try Sleeper(), try Sleeper())
        var manager = try SystemdManager(.system)
        #expect(manager.owner?.hasPrefix(":") != false)
        let version = try manager.version()
        #expect(version >= 230)
        var resources = LinuxResources()
        resources.memory = LinuxResources.Memory()
        resources.memory?.limit = 64 << 20
        resources.pids = LinuxResources.PIDs()
        resources.pids?.limit = 23
        let properties = try ResourceProperties(hierarchy: Self.hierarchy, version: version) { $0 }
            .properties(resources)
        let prefix = try manager.controlGroup()
        let group = (prefix == "/" ? "" : prefix) + path.controlGroup
        do {
            try manager.start(Self.unit(path, first.process, properties))
            #expect(try first.group() == group)
            expectEqual(try manager.controlGroup(path), group)
            #expect(Self.text("pids.max", in: group) == "23")
            if Self.hierarchy == .unified { #expect(Self.text("memory.max", in: group) == "\(64 << 20)") }

            try manager.set([UnitProperty("TasksMax", .uint64(17))], of: path.unit)
            try await waitUntil("the new limit is in the group") { Self.text("pids.max", in: group) == "17" }

            #expect(try second.group() != group)
            try manager.attach([second.process], to: path.unit)
            try await waitUntil("the second process is in the group") { try second.group() == group }

            // It runs: a second of its name is refused, and the first stays.
            do throws(SystemdError) {
                let other = Self.unit(path, getpid())
                try manager.start(other)
                Issue.record("a unit that runs is started again")
            } catch {
                #expect(error.replyName == SystemdManager.busName + ".UnitExists")
            }
            #expect(!first.hasEnded)

            do throws(SystemdError) {
                try manager.set([UnitProperty("MartletHasNoSuchProperty", .bool(true))], of: path.unit)
                Issue.record("a property that is none is set")
            } catch {
                #expect(error.replyName != nil)
            }

            try manager.stop(path.unit)
            try await waitUntil("the processes have ended") { first.hasEnded && second.hasEnded }
            try await waitUntil("the group is gone") { !Files.exists(Self.root + group) }
            // What is not there is stopped.
            try manager.stop(path.unit)
            do throws(SystemdError) {
                _ = try manager.controlGroup(path)
                Issue.record("the unit is still there")
            } catch {
                #expect(error.replyName == SystemdManager.busName + ".NoSuchUnit")
            }
        } catch {
            try? manager.stop(path.unit)
            try? manager.stop(path.slice)
            throw error
        }
        try manager.stop(path.slice)
    }

    /// A process that is not there: systemd refuses it, or its job fails; the name is free afterwards.
    @Test(.timeLimit(.minutes(2))) func aScopeOfNobody() throws {
        let path = try SystemdCgroupPath(cgroupsPath: ":martlet:nobody-\(getpid())", identifier: "nobody")
        let gone: pid_t
        do {
            let sleeper = try Sleeper()
            gone = sleeper.process
        }
        var manager = try SystemdManager(.system)
        #expect(throws: SystemdError.self) { try manager.start(Self.unit(path, gone)) }
        let sleeper = try Sleeper()
        do {
            try manager.start(Self.unit(path, sleeper.process))
            #expect(try sleeper.group()?.hasSuffix(path.controlGroup) == true)
        } catch {
            Issue.record("the name is not free: \(error)")
        }
        try manager.stop(path.unit)
    }

    @Test(.timeLimit(.minutes(2))) func aSliceWithinASlice() async throws {
        let outer = "martlettest\(getpid()).slice"
        let path = try SystemdCgroupPath(
            cgroupsPath: "\(outer):martlet:martlettest\(getpid())-inner.slice", identifier: "x")
        var manager = try SystemdManager(.system)
        do {
            try manager.start(Self.unit(path, nil, [UnitProperty("TasksMax", .uint64(29))]))
            let group = try manager.controlGroup(path)
            #expect(group.hasSuffix("/\(outer)/\(path.unit)"))
            #expect(group.hasSuffix(path.controlGroup))
            #expect(Self.text("pids.max", in: group) == "29")
            // One that exists is fine.
            try manager.start(Self.unit(path, nil))
        } catch {
            Issue.record("\(error)")
        }
        try manager.stop(path.unit)
        try manager.stop(outer)
        let (root, group) = (Self.root, path.controlGroup)
        try await waitUntil("the slice is gone") { !Files.exists(root + group) }
    }
}
