import Testing

extension PeerSystemTests {
    /// dockerd with the runtime under test (`dockerd --add-runtime NAME=PATH`).
    @Suite(.serialized, .enabled(if: Dockerd.isPossible, PeerRuntime.reason(Dockerd.programs)))
    struct DockerdTests {
        @Test func exitCodesAndStreams() async throws {
            try await Dockerd.with("codes") { try await ContainerScenarios.exitCodes($0) }
        }

        @Test func lifecycleExecAndLogs() async throws {
            try await Dockerd.with("lifecycle") { try await ContainerScenarios.lifecycle($0) }
        }

        @Test func pauseStopsProcesses() async throws {
            try await Dockerd.with("pause") { try await ContainerScenarios.pause($0) }
        }

        @Test func limitsAndUpdate() async throws {
            try await Dockerd.with("limits") { try await ContainerScenarios.limits($0) }
        }

        @Test func terminals() async throws {
            try await Dockerd.with("terminals") { try await ContainerScenarios.terminals($0) }
        }

        @Test func processSettingsAndSafety() async throws {
            try await Dockerd.with("settings") { try await ContainerScenarios.settings($0) }
        }

        @Test func mountsAndDevices() async throws {
            try await Dockerd.with("files") { try await ContainerScenarios.files($0) }
        }
    }
}
