import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// `run` of a container with a terminal in the foreground: neither side holds the other or a signal up.
@Suite(.bundles) struct ForegroundTerminalTests {
    private static func bundle(_ fixture: BundleFixture, _ script: String) throws -> String {
        try fixture.prepare("c", script) { $0.process?.terminal = true }
    }

    private static func words(_ fixture: BundleFixture, _ bundle: String) throws -> [String] {
        [try #require(BundleFixture.program), "--root", fixture.stateRoot, "run", "--bundle", bundle, "c"]
    }

    @Test func `a signal comes while nobody reads much input`() async throws {
        try await withBundles("unread") { fixture in
            let bundle = try Self.bundle(
                fixture, "trap 'exit 5' TERM; touch /data/ready; while :; do usleep 10000; done")
            let command = try StartedCommand(
                Self.words(fixture, bundle), in: fixture.directory, input: String(repeating: "line\n", count: 50_000))
            try await fixture.waitFile(fixture.inRoot("c", "/data/ready"))
            #expect(kill(command.pid, SIGTERM) == 0)
            #expect(try await command.end().code == 5)
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test func `much input comes whole to who reads late`() async throws {
        try await withBundles("late") { fixture in
            let script = """
                stty raw -echo; touch /data/ready; until test -e /data/go; do usleep 10000; done
                head -c 250000 | wc -c
                """
            let bundle = try Self.bundle(fixture, script)
            let command = try StartedCommand(
                Self.words(fixture, bundle), in: fixture.directory, input: String(repeating: "line\n", count: 50_000))
            try await fixture.waitFile(fixture.inRoot("c", "/data/ready"))
            try Files.write(fixture.inRoot("c", "/data/go"), "")
            let result = try await command.end()
            // What came before the terminal was raw has an echo.
            #expect(result.code == 0 && result.output.hasSuffix("250000\n"), "\(result.code)")
        }
    }

    /// `run` whose standard output is `output`, which is closed here.
    private static func started(
        _ fixture: BundleFixture, _ bundle: String, output: consuming Descriptor
    ) throws -> StartedCommand {
        try StartedCommand(
            ["/bin/sh", "-c", #"exec "$@" >&3 3>&-"#, "sh"] + words(fixture, bundle), in: fixture.directory,
            descriptors: [output.rawValue])
    }

    @Test func `a signal comes while nobody takes the output, which comes whole afterwards`() async throws {
        try await withBundles("untaken") { fixture in
            let script = """
                trap 'kill $!; touch /data/ended; exit 6' TERM; yes 0123456 & touch /data/ready
                while :; do usleep 10000; done
                """
            let bundle = try Self.bundle(fixture, script)
            let (reading, writing) = try Descriptor.pipe()
            let output = Descriptor(owning: reading)
            let command = try Self.started(fixture, bundle, output: Descriptor(owning: writing))
            let number = output.rawValue
            try await waitUntil("the pipe is full") {
                var count: Int32 = 0
                // 16 pages, of which some may not be full to the last byte (pipe(7)).
                return ioctl(number, UInt(FIONREAD), &count) == 0 && count > 16 * 3072
            }
            // Not before the pipe is full and somebody waits for it.
            #expect(kill(command.pid, SIGTERM) == 0)
            try await fixture.waitFile(fixture.inRoot("c", "/data/ended"))
            let text = String(decoding: try Bytes.readToEnd(number, limit: 64 << 20), as: UTF8.self)
            #expect(try await command.end().code == 6)
            // Nothing is missing in the middle.
            let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
            #expect(lines.count > 16 * 3072 / 9 && lines.dropLast().allSatisfy { $0 == "0123456" })
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test func `the rest of an output that nobody takes is given up where that is wanted`() async throws {
        try await withBundles("givenup") { fixture in
            let bundle = try Self.bundle(fixture, "head -c 100000 /dev/zero | tr '\\0' x; touch /data/ended; exit 4")
            let (reading, writing) = try Descriptor.pipe()
            let output = Descriptor(owning: reading)
            let command = try Self.started(fixture, bundle, output: Descriptor(owning: writing))
            try await fixture.waitFile(fixture.inRoot("c", "/data/ended"))
            try await waitUntil("its process has ended") { fixture.processes("c").allSatisfy { $0 == command.pid } }
            #expect(kill(command.pid, SIGTERM) == 0)
            #expect(try await command.end().code == 4)
            #expect(output.rawValue >= 0)
            try await fixture.expectNothingLeft("c")
        }
    }
}
