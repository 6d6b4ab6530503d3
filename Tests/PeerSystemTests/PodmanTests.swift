import Glibc
import LinuxSystem
import Testing

extension PeerSystemTests {
    /// podman with the runtime under test (`podman --runtime PATH`).
    @Suite(.serialized, .enabled(if: Podman.isPossible, PeerRuntime.reason(Podman.programs)))
    struct PodmanTests {
        @Test func exitCodesAndStreams() async throws {
            try await Podman.with("codes") { try await ContainerScenarios.exitCodes($0) }
        }

        @Test func lifecycleExecAndLogs() async throws {
            try await Podman.with("lifecycle") { try await ContainerScenarios.lifecycle($0) }
        }

        @Test func pauseStopsProcesses() async throws {
            try await Podman.with("pause") { try await ContainerScenarios.pause($0) }
        }

        @Test func limitsAndUpdate() async throws {
            try await Podman.with("limits") { try await ContainerScenarios.limits($0) }
        }

        @Test func terminals() async throws {
            try await Podman.with("terminals") { try await ContainerScenarios.terminals($0) }
        }

        @Test func processSettingsAndSafety() async throws {
            try await Podman.with("settings") { try await ContainerScenarios.settings($0) }
        }

        @Test func mountsAndDevices() async throws {
            try await Podman.with("files") { try await ContainerScenarios.files($0) }
        }

        @Test func imageAsMount() async throws {
            try await Podman.with("image") { podman in
                // Its layers' names are longer than an option of fsconfig(2) may be.
                let mount = ["--mount", "type=image,source=\(PeerImage.name),destination=/image"]
                let users = try await podman.output(mount, "cat /image/etc/passwd")
                #expect(users.contains("bob"))
            }
        }

        @Test func podSharesNamespaces() async throws {
            try await Podman.with("pod") { podman in
                let pod = try await podman.succeed(
                    [
                        "pod", "create", "--name", "pod", "--share", "ipc,net,uts", "--network", "none",
                        "--cgroup-parent", "/" + podman.traces.groups.name, "--infra-image", PeerImage.name,
                        "--infra-command", "sleep 1000",
                    ])
                try await podman.succeed([
                    "run", "-d", "--name", "box", "--pod", "pod", PeerImage.name, "sleep", "1000",
                ])
                let first = try await podman.succeed(["pod", "inspect", "--format", "{{.InfraContainerID}}", "pod"])
                let pids = [try await podman.pid(first), try await podman.pid("box")]
                for (name, isShared) in ["ipc": true, "net": true, "uts": true, "pid": false, "mnt": false] {
                    let namespaces = try pids.map { pid in
                        var information = stat()
                        try syscall("stat", on: name) { stat("/proc/\(pid)/ns/\(name)", &information) }
                        return information.st_ino
                    }
                    #expect((namespaces[0] == namespaces[1]) == isShared, "\(name): \(namespaces)")
                }
                try await podman.succeed(["pod", "rm", "-f", "-t", "0", "pod"])
                // podman leaves the pod's own group in systemd's hierarchy, with runc too. It has to be empty.
                podman.traces.groups.removeEmpty(pod)
            }
        }
    }
}
