import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// Compiled filters that are kept beside the containers' states.
@Suite(.bundles) struct FilterCacheTests {
    private static func run(_ fixture: BundleFixture) async throws -> CommandResult {
        try await fixture.run("c", "mkdir /tmp/a; rmdir /tmp/a 2>/dev/null; echo end") {
            var filter = SeccompConfiguration(defaultAction: .allow)
            filter.syscalls = [.init(["mkdir", "mkdirat"], .errno, errnoRet: 28)]
            $0.linux?.seccomp = filter
        }
    }

    private static func files(_ fixture: BundleFixture) throws -> [String] {
        let directory = fixture.stateRoot + "/:filters"
        return try Files.list(directory).map { directory + "/" + $0 }
    }

    @Test func `a file that was changed or torn is not loaded`() async throws {
        try await withBundles("filters") { fixture in
            #expect(try await Self.run(fixture).errors.contains("No space left"))
            let file = try #require(try Self.files(fixture).first)
            let whole = try Files.read(file)
            var first = stat()
            var second = stat()
            #expect(stat(file, &first) == 0)
            #expect(try await Self.run(fixture).errors.contains("No space left"))
            #expect(stat(file, &second) == 0 && first.st_ino == second.st_ino, "it was compiled again")
            // The instruction that refuses (SECCOMP_RET_ERRNO | 28) becomes one that allows.
            let refuses: [UInt8] = [0x06, 0, 0, 0, 0x1c, 0, 0x05, 0]
            let start = try #require((0..<whole.count - 8).first { whole[$0..<$0 + 8].elementsEqual(refuses) })
            var changed = whole
            changed.replaceSubrange(start..<start + 8, with: [0x06, 0, 0, 0, 0, 0, 0xff, 0x7f])
            // Shorter by one instruction and still of whole instructions.
            for bytes in [changed, Array(whole.dropLast(8)), Array(whole.prefix(whole.count / 2)), []] {
                try Files.write(file, bytes)
                #expect(try await Self.run(fixture).errors.contains("No space left"), "\(bytes.count) bytes")
                // It has been compiled again and put in the place.
                #expect(try Files.read(file) == whole)
            }
            #expect(try Self.files(fixture) == [file])
        }
    }

    @Test func `a directory that others may write to, or another user's, is not used`() async throws {
        try await withBundles("foreign") { fixture in
            let directory = fixture.stateRoot + "/:filters"
            try Files.makeDirectories(directory)
            chmod(directory, 0o777)
            #expect(try await Self.run(fixture).errors.contains("No space left"))
            #expect(try Self.files(fixture) == [])
            chmod(directory, 0o700)
            chown(directory, 12345, 0)
            #expect(try await Self.run(fixture).errors.contains("No space left"))
            #expect(try Self.files(fixture) == [])
            chown(directory, 0, 0)
            #expect(try await Self.run(fixture).errors.contains("No space left"))
            #expect(try Self.files(fixture).count == 1)
        }
    }
}
