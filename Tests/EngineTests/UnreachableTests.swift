import EngineModel
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

@testable import Engine

/// A daemon that comes back and cannot reach a container that runs.
@Suite(.enabled(if: EngineFixture.isPossible, "needs root, busybox and martlet-runtime"))
struct UnreachableTests {
    @Test func itCountsAsRunningAndIsNotStartedAgain() async throws {
        try await EngineFixture.with("unreachable") { fixture in
            let id = try await fixture.start(["sleep", "1000"], name: "hung") {
                $0.host.restartPolicy = RestartPolicy(name: .always)
            }
            let before = try await fixture.engine.container(id)
            let file = "\(fixture.configuration.runDirectory)/containers/\(id)/\(ShimFiles.state)"
            let shim = try JSONCoding.decode(ShimState.self, from: Files.read(file)).shimPid
            Glibc.kill(shim, SIGSTOP)
            try await fixture.restart()
            let after = try await fixture.engine.container(id)
            #expect(after.state.status == .running)
            #expect(after.state.pid == before.state.pid)
            #expect(after.endpoints == before.endpoints)
            #expect(after.state.restartCount == 0)
            Glibc.kill(shim, SIGCONT)
            try await waitUntil("it is reached") {
                (try? await fixture.exec(id, ["echo", "here"]).output) == "here\n"
            }
            #expect(try await fixture.engine.container(id).state.pid == before.state.pid)
        }
    }
}
