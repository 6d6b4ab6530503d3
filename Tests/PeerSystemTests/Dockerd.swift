import Glibc
import LinuxSystem
import TestSupport
import Testing

/// A dockerd with a containerd of its own, in namespaces of its own, driven by the docker CLI.
struct Dockerd: ContainerCLI {
    static let programs = ["dockerd", "containerd", "docker", "unshare", "ip"]
    static let isPossible =
        PeerRuntime.canBeDriven(by: programs)
        && (try? Command.runBlocking(["docker", "--version"]))?.output.hasPrefix("Docker version") == true

    let name = "docker"
    let traces: PeerTraces
    let environment: [String]
    let command: [String]
    let runOptions = ["--network", "none"]
    // dockerd 20.10 has one code for all programs that cannot be run in a running container.
    let absentExecCode: Int32 = 126
    let tellsOutOfMemory = true
    private let daemon: PeerDaemon

    /// Its directories outside of its own lie in a mount namespace; without the route each name waits for a time-out.
    private static let preparation = """
        mkdir -p /run/docker /run/containerd
        mount -t tmpfs none /run/docker
        mount -t tmpfs none /run/containerd
        ip link set lo up
        ip route add unreachable default
        exec "$@"
        """

    private init(_ traces: PeerTraces) throws {
        self.traces = traces
        let directory = traces.directory
        let socket = "unix://" + directory.path("socket")
        environment = ["DOCKER_HOST=" + socket, "DOCKER_CONFIG=" + directory.path("client")]
        command = ["docker"]
        daemon = try PeerDaemon(
            [
                "unshare", "-m", "-n", "sh", "-ec", Self.preparation, "sh", "dockerd",
                "--config-file", directory.write("daemon.json", "{}"), "--data-root", directory.path("data"),
                "--exec-root", directory.path("exec"), "--pidfile", directory.path("pid"), "--host", socket,
                "--bridge", "none", "--iptables=false", "--ip-masq=false",
                "--cgroup-parent", "/" + traces.groups.name, "--exec-opt", "native.cgroupdriver=cgroupfs",
                "--add-runtime", "under=" + (PeerRuntime.path ?? ""), "--default-runtime", "under",
            ], log: directory.path("log"))
    }

    /// Hands out a daemon that has the image; nothing of it may stay.
    static func with(_ purpose: String, _ body: (Dockerd) async throws -> Void) async throws {
        let directory = try TemporaryDirectory("dockerd")
        let traces = PeerTraces(
            directory: directory, groups: PeerGroups("dockerd-" + purpose),
            states: directory.path("exec/runtime-under/moby"))
        let docker = try Dockerd(traces)
        do {
            try await docker.daemon.started { try await docker.attempt(["info"]).succeeded }
            try await docker.succeed(["load", "-i", PeerImage.write(into: directory)])
            try await body(docker)
            try await docker.removeAll()
            try await traces.areGone(
                mounts: "/proc/\(docker.daemon.pid)/mountinfo", except: [docker.daemon.pid])
        } catch {
            print("dockerd's log:\n" + docker.daemon.log)
            try? await docker.removeAll()
            await docker.daemon.stop()
            await traces.clear()
            throw error
        }
        await docker.daemon.stop()
        await traces.clear()
    }

    private func removeAll() async throws {
        let containers = try await attempt(["ps", "-aq"]).lines
        if !containers.isEmpty { try await succeed(["rm", "-f"] + containers) }
    }
}
