import Cgroups
import Glibc
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// A shim that cannot make its container leaves nothing.
@Suite(.containers) struct ShimFaultTests {
    /// The steps that a shim takes, as `FaultPoint` (Containment) names them.
    static let steps = [
        "stateDirectory", "groups", "streams", "clone", "limits", "devices", "joinGroups", "names", "sources", "root",
        "mounts", "pivot", "terminal", "filter", "handover", "state",
    ]

    @Test(arguments: steps) func aFaultAtAStepUndoesThoseBeforeIt(step: String) async throws {
        try await withContainers("fault") { box in
            let specification = try box.specification("a", ["/bin/sleep", "1000"])
            // The guard would start the program again, without an environment.
            let answer = try box.launchAlone(
                specification, environment: ["MARTLET_WITHOUT_GUARD=executable", "MARTLET_FAIL_AT=" + step])
            #expect(answer.error?.contains("failed on purpose at step \(step)") == true, "\(answer)")
            let groups = try ControlGroups().group(specification.cgroup).directories.map(\.path)
            #expect(groups.filter(Files.exists) == [])
            let left = try Files.list(box.directory.path("run/containers/a"))
            #expect(left.filter { $0 != ShimFiles.lock } == [])
            let mounts = try MountInfo.all().map(\.mountPoint)
            #expect(mounts.filter { $0.hasPrefix(box.directory.path) } == [])
            // The name is free again, once the shim that has reported is gone.
            let lock = box.directory.path("run/containers/a/\(ShimFiles.lock)")
            try await waitUntil("the shim has ended") {
                guard Files.exists(lock) else { return true }
                let file = try Descriptor.open(lock, O_RDWR)
                return flock(file.rawValue, LOCK_EX | LOCK_NB) == 0
            }
            #expect(try await box.run("a", "exit 4").record.code == 4)
        }
    }
}
