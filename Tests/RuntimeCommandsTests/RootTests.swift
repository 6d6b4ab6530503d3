import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: Root; config-linux.md: Masked Paths, Readonly Paths.
@Suite(.bundles) struct RootTests {
    @Test func `a read-only root, with writable mounts in it (config.md: readonly)`() async throws {
        try await withBundles("readonly") { fixture in
            let script = "touch /made; touch /tmp/made; echo x > /dev/null && echo x > /dev/shm/x && echo written"
            let result = try await fixture.run("c", script) { $0.root?.readonly = true }
            #expect(result.line == "written", "\(result)")
            #expect(result.errors.split(separator: "\n").count { $0.contains("Read-only file system") } == 2)
            for name in ["/made", "/tmp/made"] { #expect(!Files.exists(fixture.inRoot("c", name))) }
        }
    }

    @Test func `masked paths are empty, and one that is not there is none's concern`() async throws {
        try await withBundles("masked") { fixture in
            let bundle = try fixture.prepare(
                "c", "cat /data/secret; ls -A /data/hidden; cat /data/link/inner; touch /data/hidden/made; echo end"
            ) { $0.linux?.maskedPaths = ["/data/secret", "/data/hidden", "/data/nothing", "/proc/uptime"] }
            let place = fixture.inRoot("c", "/data")
            try Files.makeDirectories(place + "/hidden")
            try Files.write(place + "/secret", "secret\n")
            try Files.write(place + "/hidden/inner", "secret\n")
            symlink("hidden", place + "/link")
            let result = try await fixture.runtime(["run", "--bundle", bundle, "c"])
            #expect(result.lines == ["end"], "\(result)")
            #expect(result.errors.contains("Read-only file system"), "\(result)")
            #expect(!Files.exists(place + "/nothing"))
            #expect(try Files.text(place + "/secret") == "secret\n")
        }
    }

    @Test func `masked files of /proc, for root with its capabilities too`() async throws {
        try await withBundles("maskedproc") { fixture in
            let result = try await fixture.run(
                "c", "cat /proc/uptime; head -c 1 /proc/kcore | wc -c; ls -A /sys/firmware"
            ) {
                $0.grant(["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_SYS_RAWIO"])
                $0.linux?.maskedPaths?.append("/proc/uptime")
            }
            #expect(result.lines == ["0"], "\(result)")
        }
    }

    @Test func `read-only paths can be read and not written`() async throws {
        try await withBundles("readonlypaths") { fixture in
            let bundle = try fixture.prepare(
                "c",
                """
                cat /data/fixed/inner; touch /data/fixed/made; echo x > /data/file; echo y > /data/free
                echo 1 > /proc/sys/kernel/shm_rmid_forced
                """
            ) {
                $0.linux?.readonlyPaths?.append(contentsOf: ["/data/fixed", "/data/file", "/data/nothing"])
            }
            let place = fixture.inRoot("c", "/data")
            try Files.makeDirectories(place + "/fixed")
            try Files.write(place + "/fixed/inner", "inner\n")
            try Files.write(place + "/file", "file\n")
            let result = try await fixture.runtime(["run", "--bundle", bundle, "c"])
            #expect(result.line == "inner", "\(result)")
            #expect(
                result.errors.split(separator: "\n").count { $0.contains("Read-only file system") } == 3, "\(result)")
            #expect(try Files.text(place + "/file") == "file\n")
            #expect(try Files.text(place + "/free") == "y\n")
        }
    }

    @Test func `a root that is not there is an error that names it (config.md: path)`() async throws {
        try await withBundles("noroot") { fixture in
            let bundle = try fixture.prepare("c", "true") { $0.root?.path = "nothing-here" }
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(result.errors.contains("nothing-here"), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test func `an absolute path of the root (config.md: path)`() async throws {
        try await withBundles("absolute") { fixture in
            let bundle = try fixture.prepare("c", "echo here; ls /data") {
                $0.root?.path = fixture.inRoot("c", "")
            }
            try Files.write(fixture.inRoot("c", "/data/file"), "")
            let result = try await fixture.runtime(["run", "--bundle", bundle, "c"])
            #expect(result.lines == ["here", "file"], "\(result)")
        }
    }
}
