import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

extension EscapeTests {
    // MARK: CVE-2025-52881

    /// A /proc of the image's own, in which files lead to those of another, which is real: what the runtime writes
    /// about the process would set a parameter.
    @Test(arguments: states("procFile"))
    func `what is written in /proc is in the kernel's own (CVE-2025-52881)`(without: [String]) async throws {
        try await withBundles("ownproc") { fixture in
            let fake = fixture.directory.path("fake")
            try Files.makeDirectories(fake + "/self")
            symlink("/real" + Self.parameter.dropFirst("/proc".count), fake + "/self/oom_score_adj")
            let script = "cat /real\(Self.parameter.dropFirst("/proc".count)) /real/self/oom_score_adj"
            let bundle = try fixture.prepare("c", script) {
                $0.process?.oomScoreAdj = 1
                $0.mounts?.removeAll { $0.destination == "/proc" }
                $0.mount(fake, "/proc", ["bind"])
                $0.mount("proc", "/real", [], type: "proc")
            }
            let result = try await fixture.runtime(
                ["run", "--bundle", bundle, "c"], environment: Self.environment(without))
            #expect(result.lines == (without.isEmpty ? ["0", "1"] : ["1", "0"]), "\(result)")
        }
    }

    /// A volume over a single file of the container's /proc.
    @Test(arguments: states("procFile"))
    func `no file of the host lies over one of /proc (CVE-2025-52881)`(without: [String]) async throws {
        try await withBundles("overfile") { fixture in
            try fixture.directory.write("host", "host\n")
            let bundle = try fixture.prepare("c", "true") {
                $0.process?.oomScoreAdj = 1
                $0.mount(fixture.directory.path("host"), "/proc/self/oom_score_adj", ["bind"])
            }
            let result = try await fixture.runtime(
                ["run", "--bundle", bundle, "c"], environment: Self.environment(without))
            let text = try Files.text(fixture.directory.path("host"))
            #expect((text == "host\n") == without.isEmpty, "\(result), \"\(text)\"")
            #expect(result.code == (without.isEmpty ? 1 : 0), "\(result)")
        }
    }

    /// A link of the image that leads to the host's /proc. The place of the mount is the first guard, so both are
    /// taken.
    @Test(arguments: states("mountTarget", "procFile"))
    func `a parameter is written past a mount over it (CVE-2025-52881)`(without: [String]) async throws {
        try await withBundles("sysctl") { fixture in
            try fixture.directory.write("host", "host\n")
            let bundle = try fixture.prepare("c", "cat \(Self.parameter)") {
                $0.linux?.sysctl = ["kernel.shm_rmid_forced": "1"]
                $0.mount(fixture.directory.path("host"), "/lead/shm_rmid_forced", ["bind"])
            }
            symlink("/proc/sys/kernel", fixture.inRoot("c", "/lead"))
            let result = try await fixture.runtime(
                ["run", "--bundle", bundle, "c"], environment: Self.environment(without))
            let text = try Files.text(fixture.directory.path("host"))
            #expect((text == "host\n") == without.isEmpty, "\(result), \"\(text)\"")
            if without.isEmpty { #expect(result.code == 1 && result.errors.contains("/proc"), "\(result)") }
        }
    }

    // MARK: CVE-2019-14271

    /// The guard is how the program is linked: it cannot be taken away for a test, so programs that are linked as usual
    /// show what the tests would see.
    @Test func `the runtime loads no library: it names none and no loader (CVE-2019-14271)`() throws {
        let runtime = try ProgramFile(try #require(BundleFixture.program))
        #expect(runtime.loader == nil)
        #expect(runtime.neededCount == 0)
        let usual = try ProgramFile(TestEnvironment.bundlePath)
        #expect(usual.loader != nil)
        #expect(usual.neededCount > 0)
    }

    private static func libraries(_ loader: String) -> [String] {
        [
            loader, "/etc/ld.so.preload", "/etc/ld.so.cache", "/etc/nsswitch.conf", "/lib/libnss_evil.so.2",
            "/lib/libnss_files.so.2", "/usr/lib/gconv/gconv-modules", "/usr/lib/locale/locale-archive", "/lib/evil.so",
        ]
    }

    @Test func `what a root has for loaders and name services is not opened (CVE-2019-14271)`() async throws {
        try await withBundles("names") { fixture in
            let loader = try #require(try ProgramFile(TestEnvironment.bundlePath).loader)
            let texts = [
                loader: try Files.read(loader), "/etc/ld.so.preload": Array("/lib/evil.so\n".utf8),
                "/etc/nsswitch.conf": Array("passwd: evil\ngroup: evil\n".utf8),
            ]
            try fixture.prepare("c", ["/bin/sleep", "1000"]) { $0.process?.user = .init(uid: 7, gid: 8) }
            let paths = Self.libraries(loader).map { fixture.inRoot("c", $0) }
            for (path, place) in zip(Self.libraries(loader), paths) {
                try Files.makeDirectories(Files.parent(of: place))
                try Files.write(place, texts[path] ?? Array("no library\n".utf8), mode: 0o755)
            }
            let watch = try OpenWatch(paths)
            try await fixture.succeed("create", "--bundle", fixture.bundle("c"), "c")
            try await fixture.succeed("start", "c")
            try await fixture.succeed("exec", "--user", "9:9", "c", "/bin/true")
            try await fixture.stop("c")
            try await fixture.succeed("delete", "c")
            #expect(try watch.opened() == [])
            // A program that needs a loader, in the same root.
            try Files.write(fixture.inRoot("c", "/bin/usual"), Files.read("/bin/true"), mode: 0o755)
            _ = try await CommandResult.run(["chroot", fixture.inRoot("c", ""), "/bin/usual"], in: fixture.directory)
            let opened = try watch.opened()
            #expect(opened.isSuperset(of: [paths[0], paths[1]]), "\(opened)")
        }
    }
}
