import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// Ways out of a container that other runtimes had. Each attack is made twice: it must fail, and succeed where its
/// guard is taken away, which shows that the test would see it.
@Suite(.bundles, .serialized) struct EscapeTests {
    /// What `MARTLET_WITHOUT_GUARD` names: nothing, and all that stands before an attack.
    static func states(_ guards: String...) -> [[String]] { [[], guards] }

    static func environment(_ without: [String]) -> [String] {
        without.isEmpty ? [] : ["MARTLET_WITHOUT_GUARD=" + without.joined(separator: ",")]
    }

    // MARK: CVE-2019-5736

    /// How a program of an image becomes the runtime's own.
    enum Entrance: String, CaseIterable {
        case link, interpreter
    }

    /// The first process waits for one that runs the runtime's file, holds the file open, lets the process end, and
    /// writes.
    private static let overwriter = """
        while [ -z "$found" ]; do for place in /proc/[0-9]*; do
            file=$(readlink $place/exe 2>/dev/null)
            case "$file" in ""|*busybox) ;; *) found=$place; break ;; esac
        done; done
        exec 9<$found/exe; echo {} > /data/b/config.json
        tries=0; until echo owned >/proc/self/fd/9; do
            tries=$((tries + 1)); [ $tries -lt 100 ] || break; usleep 20000
        done
        touch /data/done; exec sleep 1000
        """

    @Test(arguments: Entrance.allCases, states("executable"))
    func `the runtime's file is not overwritten through /proc/PID/exe (CVE-2019-5736)`(
        entrance: Entrance, without: [String]
    ) async throws {
        try await withBundles("exe") { fixture in
            let original = try Files.read(try #require(BundleFixture.program), limit: 1 << 28)
            let copy = fixture.directory.path("runtime")
            try Files.write(copy, original, mode: 0o755)
            try fixture.prepare("c", Self.overwriter)
            try Files.makeDirectories(fixture.inRoot("c", "/data/b"))
            // Where the runtime runs in the container it waits at this file.
            mkfifo(fixture.inRoot("c", "/data/b/config.json"), 0o600)
            let evil = fixture.inRoot("c", "/data/evil")
            var words = ["create", "--bundle", "/data/b", "x"]
            switch entrance {
            case .link:
                symlink("/proc/self/exe", evil)
                words = ["--root", "/data/states"] + words
            case .interpreter: try Files.write(evil, "#!/proc/self/exe --root\n", mode: 0o755)
            }
            try await fixture.launch("c", Self.overwriter)
            // In the container the runtime would guard itself once more.
            let inner = Self.environment(without).flatMap { ["--env", $0] }
            let result = try await CommandResult.run(
                [copy, "--root", fixture.stateRoot, "exec"] + inner + ["c", "/data/evil"] + words,
                in: fixture.directory, environment: Self.environment(without))
            try await fixture.waitFile(fixture.inRoot("c", "/data/done"))
            let isOverwritten = try Files.read(copy, limit: 1 << 28) != original
            #expect(isOverwritten == !without.isEmpty, "\(result)")
        }
    }

    // MARK: CVE-2022-29162

    @Test(arguments: states("inheritable"))
    func `exec --cap gives nothing that is inherited (CVE-2022-29162)`(without: [String]) async throws {
        try await withBundles("inherit") { fixture in
            try await fixture.launch("c")
            let result = try await fixture.runtime(
                ["exec", "--cap", "CAP_NET_RAW", "c", "/bin/grep", "-E", "CapInh|CapEff", "/proc/self/status"],
                environment: Self.environment(without))
            let sets = result.lines.compactMap { $0.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) } }
            try #require(sets.count == 2, "\(result)")
            let raw: UInt64 = 1 << 13
            #expect(sets[1] & raw != 0, "\(result)")
            #expect((sets[0] == 0) == without.isEmpty, "\(result)")
        }
    }

    // MARK: CVE-2024-21626

    /// Directories that may be the host's: descriptors by number, and a link of the image to one.
    private static let places = (0...20).map { "/proc/self/fd/\($0)" } + ["/data/here"]

    /// Prints something where the working directory is one of the host's: `secret` lies in the directory that the
    /// runtime inherits as descriptor 3, and this process's directory in the host's /proc, which the runtime opens.
    private static var look: String { "cat secret; ls -d \(getpid())" }

    private static func withSecret(
        _ fixture: BundleFixture, _ body: (Int32) async throws -> Void
    ) async throws {
        try fixture.directory.write("outside/secret", "secret\n")
        let directory = try Descriptor.open(fixture.directory.path("outside"), O_RDONLY | O_DIRECTORY)
        try await body(directory.rawValue)
    }

    /// Without the guard the directory is not made either, which refuses links of /proc by itself. What is closed by
    /// then is no way any more.
    @Test(arguments: states("workingDirectory", "descriptors"))
    func `the working directory is no descriptor of the host (CVE-2024-21626)`(without: [String]) async throws {
        try await withBundles("cwd") { fixture in
            try await Self.withSecret(fixture) { directory in
                var escapes: [String] = []
                for place in Self.places {
                    let bundle = try fixture.prepare("c", Self.look) { $0.process?.cwd = place }
                    symlink("/proc/self/fd/3", fixture.inRoot("c", "/data/here"))
                    let result = try await fixture.runtime(
                        ["run", "--bundle", bundle, "c"], environment: Self.environment(without),
                        descriptors: [directory])
                    if !result.output.isEmpty { escapes.append(place) }
                    try await fixture.expectNothingLeft("c")
                }
                #expect(escapes.isEmpty == without.isEmpty, "\(escapes)")
                if !without.isEmpty { #expect(escapes.contains("/data/here"), "\(escapes)") }
            }
        }
    }

    @Test(arguments: states("workingDirectory", "descriptors"))
    func `nor is that of exec (CVE-2024-21626)`(without: [String]) async throws {
        try await withBundles("execcwd") { fixture in
            try await Self.withSecret(fixture) { directory in
                try await fixture.launch("c")
                symlink("/proc/self/fd/3", fixture.inRoot("c", "/data/here"))
                var escapes: [String] = []
                for place in Self.places {
                    let result = try await fixture.runtime(
                        ["exec", "--cwd", place, "c", "/bin/sh", "-c", Self.look],
                        environment: Self.environment(without), descriptors: [directory])
                    if !result.output.isEmpty { escapes.append(place) }
                }
                #expect(escapes.isEmpty == without.isEmpty, "\(escapes)")
                if !without.isEmpty { #expect(escapes.contains("/data/here"), "\(escapes)") }
            }
        }
    }

    /// The kernel looks a program up before it closes what is to close with exec: the directory that the runtime
    /// inherits and the host's /proc, which it opens, must not lead to a program of the host.
    @Test(arguments: states("descriptors"), ["run", "exec", "create"])
    func `the program is none of the host's (CVE-2024-21626)`(without: [String], command: String) async throws {
        try await withBundles("hostprogram") { fixture in
            let program = fixture.directory.path("outside/echo")
            try Files.makeDirectories(fixture.directory.path("outside"))
            try Files.write(program, Files.read("/bin/busybox", limit: 1 << 24), mode: 0o755)
            if command == "exec" { try await fixture.launch("c") }
            var escapes: [String] = []
            // Which number it has is not the same each time: the network namespace is opened beside the rest.
            let numbers = repeatElement(3...20, count: without.isEmpty ? 1 : 5).joined()
            for number in numbers where escapes.isEmpty {
                // The image's own name for it.
                let target = "/proc/self/fd/\(number)/..\(program)"
                if command != "exec" { try fixture.prepare("c", ["/data/echo", "escaped"]) }
                unlink(fixture.inRoot("c", "/data/echo"))
                symlink(target, fixture.inRoot("c", "/data/echo"))
                var words = [command, "--bundle", fixture.bundle("c"), "c"]
                if command == "exec" { words = ["exec", "c", "/data/echo", "escaped"] }
                let result = try await fixture.runtime(words, environment: Self.environment(without))
                if command == "create", result.code == 0 {
                    _ = try await fixture.command("start", "c")
                    try await fixture.waitStatus("c", "stopped")
                    _ = try await fixture.command("delete", "c")
                }
                if result.output == "escaped\n" { escapes.append(target) }
            }
            #expect(escapes.isEmpty == without.isEmpty, "\(escapes)")
        }
    }

    @Test(arguments: states("descriptors"), ["run", "exec"])
    func `a descriptor of the host is not inherited (CVE-2024-21626)`(without: [String], command: String) async throws {
        try await withBundles("inherited") { fixture in
            try await Self.withSecret(fixture) { directory in
                let script = "cat /proc/self/fd/3/secret"
                var words = ["exec", "c", "/bin/sh", "-c", script]
                if command == "run" {
                    words = ["run", "--bundle", try fixture.prepare("c", script), "c"]
                } else {
                    try await fixture.launch("c")
                }
                let result = try await fixture.runtime(
                    words, environment: Self.environment(without), descriptors: [directory])
                #expect((result.output == "secret\n") == !without.isEmpty, "\(result)")
            }
        }
    }
}
