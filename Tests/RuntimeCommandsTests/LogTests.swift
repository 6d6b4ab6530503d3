import JSON
import LinuxSystem
import TestSupport
import Testing

/// `--log` and `--log-format` as runc has them: containerd and podman read the reason of a failure there.
@Suite(.bundles) struct LogTests {
    @Test func `--log-format json: level, msg and time, a line each`() async throws {
        try await withBundles("logjson") { fixture in
            let file = fixture.directory.path("log")
            for _ in 0..<2 {
                let result = try await fixture.runtime(
                    ["start", "nobody"], options: ["--log", file, "--log-format", "json"])
                #expect(result.code == 1)
                #expect(result.errors.contains("does not exist"), "standard error has it too: \(result)")
            }
            let lines = try Files.text(file).split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
            let errors = lines.filter { $0["level"] == "error" }
            #expect(errors.count == 2, "what is there is kept: \(lines)")
            let last = try #require(errors.last)
            #expect(last["msg"]?.string?.contains("does not exist") == true)
            // RFC 3339.
            let time = try #require(last["time"]?.string)
            #expect(time.count >= 20 && time.hasPrefix("20") && time.contains("T"), "\(time)")
        }
    }

    @Test func `a failure inside the container is in it`() async throws {
        try await withBundles("loginside") { fixture in
            let file = fixture.directory.path("log")
            let bundle = try fixture.prepare("c", ["/bin/nothing"])
            let result = try await fixture.runtime(
                ["run", "--bundle", bundle, "c"], options: ["--log", file, "--log-format", "json"])
            #expect(result.code != 0)
            let text = try Files.text(file)
            #expect(text.contains("/bin/nothing") && text.contains(#""level":"error""#), "\(text)")
        }
    }

    @Test func `--log-format text`() async throws {
        try await withBundles("logtext") { fixture in
            let file = fixture.directory.path("log")
            try await fixture.runtime(["start", "nobody"], options: ["--log", file, "--log-format", "text"])
            let text = try Files.text(file)
            #expect(text.hasPrefix("time="), "\(text)")
            #expect(text.contains("level=error") && text.contains("does not exist"), "\(text)")
        }
    }

    @Test func `an unknown format is an error`() async throws {
        try await withBundles("logbad") { fixture in
            let result = try await fixture.runtime(
                ["list"], options: ["--log", fixture.directory.path("log"), "--log-format", "xml"])
            #expect(result.code == 1)
            #expect(result.errors.contains("log-format") || result.errors.contains("log format"), "\(result)")
        }
    }
}
