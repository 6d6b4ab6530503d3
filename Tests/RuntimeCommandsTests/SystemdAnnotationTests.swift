import RuntimeSpec
import TestSupport
import Testing

/// Annotations `org.systemd.property.*` reach systemd's unit (config.md: Annotations; runc, docs/systemd.md).
@Suite(.bundles) struct SystemdAnnotationTests {
    private static let key = "org.systemd.property.TimeoutStopSec"

    @Test func `what is no value is refused, but only where systemd makes the group`() async throws {
        try await withBundles("annotation") { fixture in
            let bundle = try fixture.prepare("c", "true") {
                $0.annotations = [Self.key: "soon"]
                $0.linux?.cgroupsPath = nil
            }
            let refused = try await fixture.runtime(
                ["create", "--bundle", bundle, "c"], options: ["--systemd-cgroup"])
            #expect(refused.code == 1 && refused.errors.contains("annotations[\(Self.key)]"), "\(refused)")
            try await fixture.expectNothingLeft("c")
            let result = try await fixture.command("run", "--bundle", bundle, "c")
            #expect(result.code == 0, "\(result)")
        }
    }

    @Test(.enabled(if: SystemdScope.isPossible, "needs a machine booted with systemd, with cgroup v2 alone"))
    func `a property of the scope`() async throws {
        try await withBundles("property") { fixture in
            let scope = SystemdScope("property", slice: "martlettest.slice")
            let bundle = try fixture.prepare("c", "exec sleep 1000") {
                $0.annotations = [Self.key: "uint64 77", "org.systemd.property.CollectMode": "'inactive-or-failed'"]
                $0.linux?.cgroupsPath = scope.path("property")
            }
            let result = try await fixture.runtime(
                ["create", "--bundle", bundle, "c"], options: ["--systemd-cgroup"], within: .seconds(60))
            try #require(result.code == 0, "\(result)")
            #expect(try await scope.property("TimeoutStopUSec") == "1min 17s")
            #expect(try await scope.property("CollectMode") == "inactive-or-failed")
            _ = try await fixture.runtime(["delete", "--force", "c"], options: ["--systemd-cgroup"])
            try await scope.end()
        }
    }
}
