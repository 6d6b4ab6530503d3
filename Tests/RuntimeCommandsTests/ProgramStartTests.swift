import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// What the program does before any command.
@Suite(.bundles) struct ProgramStartTests {
    @Test func `closed standard descriptors are null devices, not something of the host`() async throws {
        try await withBundles("closed") { fixture in
            let script = """
                exec 7>/data/streams 4<&0 5>&1 6>&2
                for number in 4 5 6; do readlink /proc/self/fd/$number >&7; done
                """
            let bundle = try fixture.prepare("c", script)
            let words = [try #require(BundleFixture.program), "--root", fixture.stateRoot, "run", "--bundle", bundle]
            let result = try await CommandResult.run(
                ["/bin/sh", "-c", #"exec "$@" <&- >&- 2>&-"#, "sh"] + words + ["c"], in: fixture.directory)
            #expect(result.code == 0)
            #expect(
                try Files.text(fixture.inRoot("c", "/data/streams")) == String(repeating: "/dev/null\n", count: 3))
        }
    }

    @Test func `no concurrency and no libdispatch are linked, which set themselves up at each start`() throws {
        let program = try Files.read(try #require(BundleFixture.program), limit: 1 << 30)
        func has(_ symbol: String) -> Bool {
            // A name of the symbol table stands between two zeros.
            let name = [0] + Array(symbol.utf8) + [0]
            return program.withUnsafeBytes { text in
                var place = 0
                while place + name.count <= text.count,
                    let zero = memchr(text.baseAddress! + place, 0, text.count - place - name.count + 1)
                {
                    if memcmp(zero, name, name.count) == 0 { return true }
                    place = UnsafeRawPointer(zero) - text.baseAddress! + 1
                }
                return false
            }
        }
        #expect(has("cl_guarded_start"), "the program has no symbols")
        for symbol in ["libdispatch_init", "swift_task_create", "swift_task_enqueueGlobal"] { #expect(!has(symbol)) }
    }

    @Test func `first starts of one program at once make one mount of it (CVE-2019-5736)`() async throws {
        try await withBundles("standing") { fixture in
            let program = try Files.read(try #require(BundleFixture.program), limit: 1 << 30)
            for round in 0..<5 {
                let copy = fixture.directory.path("program-\(round)")
                try Files.write(copy, program, mode: 0o755)
                var information = stat()
                #expect(stat(copy, &information) == 0)
                let place = "/run/martlet-runtime-program/\(information.st_dev)-\(information.st_ino)"
                defer {
                    for _ in 0..<20 { try? Mounts.detach(place) }
                    unlink(place)
                }
                // All wait for a writer of the pipe, and go on at once.
                let barrier = fixture.directory.path("barrier-\(round)")
                try syscall("mkfifo") { mkfifo(barrier, 0o600) }
                let words = [copy, "--root", fixture.stateRoot, "exec", "nobody", "true"]
                let commands = try (0..<12).map { _ in
                    try StartedCommand(
                        ["/bin/sh", "-c", #": <"$0"; exec "$@""#, barrier] + words, in: fixture.directory)
                }
                try await waitUntil("all wait") {
                    commands.allSatisfy { (try? Files.text("/proc/\($0.pid)/stat"))?.contains(" (sh) S ") == true }
                }
                _ = try Descriptor.open(barrier, O_WRONLY)
                for command in commands {
                    let result = try await command.end()
                    #expect(result.code == 255 && result.errors.contains("does not exist"), "\(result)")
                }
                #expect(try MountInfo.all().count { $0.mountPoint == place } == 1)
            }
        }
    }
}
