import Glibc
import LinuxSystem
import TestSupport
import Testing

/// podman with storage, state and groups of its own. It has no daemon; conmon watches over each container.
struct Podman: ContainerCLI {
    static let programs = ["podman", "conmon"]
    static let isPossible = PeerRuntime.canBeDriven(by: programs)

    let name = "podman"
    let traces: PeerTraces
    let environment: [String]
    let command: [String]
    let runOptions: [String]
    let absentExecCode: Int32 = 127
    // conmon 2.1 reports none with runc on cgroup v1 here.
    let tellsOutOfMemory = false

    private init(_ purpose: String) throws {
        let directory = try TemporaryDirectory("podman")
        let groups = PeerGroups("podman-" + purpose)
        traces = PeerTraces(directory: directory, groups: groups, states: nil)
        // What podman wants to give containers by itself exceeds the limits of a process without CAP_SYS_RESOURCE.
        let settings = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1000:1000\"]\n"
        environment = ["CONTAINERS_CONF=" + (try directory.write("containers.conf", settings))]
        command = [
            "podman", "--root", directory.path("storage"), "--runroot", directory.path("run"),
            "--tmpdir", directory.path("tmp"), "--cgroup-manager", "cgroupfs", "--events-backend", "file",
            "--runtime", PeerRuntime.path ?? "",
        ]
        runOptions = [
            "--network", "none", "--cgroup-parent", "/" + groups.name, "--ulimit", "nofile=1024:1024",
            "--ulimit", "nproc=1000:1000",
            // A forced removal asks first, and waits so many seconds.
            "--stop-timeout", "0",
        ]
    }

    /// Hands out a podman that has the image; nothing of it may stay.
    static func with(_ purpose: String, _ body: (Podman) async throws -> Void) async throws {
        let podman = try Podman(purpose)
        do {
            try await podman.succeed(["load", "-q", "-i", PeerImage.write(into: podman.traces.directory)])
            try await body(podman)
            try await podman.succeed(["rm", "-a", "-f", "-t", "0"])
            try await podman.traces.areGone()
        } catch {
            _ = try? await podman.attempt(["rm", "-a", "-f", "-t", "0"], within: .seconds(20))
            await podman.traces.clear()
            throw error
        }
        await podman.traces.clear()
    }
}
