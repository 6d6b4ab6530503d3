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
    }
}
