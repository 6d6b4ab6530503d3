import RuntimeSpec
import TestSupport
import Testing

/// config-linux.md: Seccomp.
@Suite(.bundles) struct SeccompTests {
    @Test func `an error number, an argument, a kill (config-linux.md: syscalls)`() async throws {
        try await withBundles("seccomp") { fixture in
            let script = "mkdir /tmp/a; chmod 0700 /tmp && echo allowed; chmod 0711 /tmp || echo refused; hostname x"
            let result = try await fixture.run("c", script) {
                var filter = SeccompConfiguration(defaultAction: .allow)
                let mode = SeccompConfiguration.Argument(index: 1, value: 0o711, op: .equal)
                filter.syscalls = [
                    .init(["mkdir", "mkdirat"], .errno, errnoRet: 28), .init(["chmod"], .errno, args: [mode]),
                    .init(["sethostname"], .killProcess),
                ]
                $0.linux?.seccomp = filter
            }
            #expect(result.errors.contains("No space left on device"), "\(result)")
            #expect(result.lines == ["allowed", "refused"], "\(result)")
            #expect(result.code == 128 + 31, "SIGSYS: \(result)")
        }
    }
}
