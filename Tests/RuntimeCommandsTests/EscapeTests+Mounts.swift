import CLinux
import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

extension EscapeTests {
    // MARK: CVE-2021-30465

    /// Without the guard a place in the root is opened as any path is: links lead to the host.
    @Test(arguments: states("mountTarget"), ["absolute", "relative"])
    func `a link at a mount's destination leads nowhere on the host (CVE-2021-30465)`(
        without: [String], kind: String
    ) async throws {
        try await withBundles("target") { fixture in
            let outside = fixture.directory.path("outside")
            try Files.makeDirectories(outside)
            try fixture.directory.write("source/file", "volume\n")
            let bundle = try fixture.prepare("c", "cat \(outside)/file") {
                $0.linux?.devices = [.init(type: "p", path: "/nodes/pipe")]
                $0.mount(fixture.directory.path("source"), "/volume", ["bind"])
            }
            let way = kind == "relative" ? String(repeating: "../", count: 12) + outside.dropFirst() : outside
            symlink(way, fixture.inRoot("c", "/volume"))
            symlink(way + "/../nodes", fixture.inRoot("c", "/nodes"))
            try Files.makeDirectories(fixture.directory.path("nodes"))
            let result = try await fixture.runtime(
                ["run", "--bundle", bundle, "c"], environment: Self.environment(without))
            // Mounts end with the container's mount namespace, nodes stay.
            #expect(result.output.hasPrefix("volume\n") == without.isEmpty, "\(result)")
            #expect(Files.exists(fixture.directory.path("nodes/pipe")) == !without.isEmpty, "\(result)")
        }
    }

    /// A volume that another container changes while this one's mounts are made in it: a directory and a link to the
    /// host change places all the time.
    @Test(arguments: states("mountTarget"))
    func `nor does one that is swapped while it is mounted on (CVE-2021-30465)`(without: [String]) async throws {
        try await withBundles("swap") { fixture in
            let outside = fixture.directory.path("outside")
            try Files.makeDirectories(outside)
            try Files.makeDirectories(fixture.directory.path("volume/a/in"))
            symlink(outside, fixture.directory.path("volume/b"))
            let bundle = try fixture.prepare("c", "true") {
                $0.mount(fixture.directory.path("volume"), "/shared", ["bind"])
                $0.mount("tmpfs", "/shared/a/deep", [], type: "tmpfs")
                $0.linux?.devices = [.init(type: "p", path: "/shared/a/pipe")]
            }
            let racer = try Swapper(fixture.directory.path("volume/a"), fixture.directory.path("volume/b"))
            defer { racer.stop() }
            var round = 0
            while round < 60, try Files.list(outside).isEmpty {
                try await fixture.runtime(["run", "--bundle", bundle, "c"], environment: Self.environment(without))
                round += 1
            }
            #expect(racer.swaps > 100)
            #expect(try Files.list(outside).isEmpty == without.isEmpty, "after \(round) rounds")
        }
    }

    // MARK: CVE-2025-31133

    /// What stands where the container's null device should be. It leads to a file that stands for those of the whole
    /// machine: a parameter of the container's own IPC namespace.
    enum Impostor: String, CaseIterable {
        case link, bind, file
    }

    static let parameter = "/proc/sys/kernel/shm_rmid_forced"

    /// Two guards: the devices refuse a link in their place, and what covers files is looked at once more.
    @Test(arguments: Impostor.allCases, states("nullDevice"))
    func `what hides files is the null device alone (CVE-2025-31133)`(
        impostor: Impostor, without: [String]
    ) async throws {
        try await withBundles("null") { fixture in
            let script = "echo 1 > /data/hidden; cat /data/hidden \(Self.parameter)"
            let shown = fixture.directory.path("shown")
            try Files.write(shown, "0\n")
            let bundle = try fixture.prepare("c", script) {
                $0.mounts?.removeAll { $0.destination.hasPrefix("/dev") }
                if impostor == .bind { $0.mount(shown, "/dev/null", ["bind", "rw"]) }
                $0.linux?.readonlyPaths = []
                $0.linux?.maskedPaths = ["/data/hidden"]
            }
            try Files.write(fixture.inRoot("c", "/data/hidden"), "image\n")
            switch impostor {
            case .link: symlink(Self.parameter, fixture.inRoot("c", "/dev/null"))
            case .file: try Files.write(fixture.inRoot("c", "/dev/null"), "0\n")
            case .bind: break
            }
            let result = try await fixture.runtime(
                ["run", "--bundle", bundle, "c"], environment: Self.environment(without))
            if without.isEmpty {
                #expect(result.code == 1 && result.output.isEmpty, "\(result)")
                #expect(result.errors.contains("/dev/null"), "\(result)")
                try await fixture.expectNothingLeft("c")
            } else {
                // What was hidden is a way to write to the other file.
                #expect(result.lines == ["1", impostor == .link ? "1" : "0"], "\(result)")
            }
        }
    }

    // MARK: CVE-2025-52565

    @Test(arguments: states("console"))
    func `the console is mounted on no other file (CVE-2025-52565)`(without: [String]) async throws {
        try await withBundles("console") { fixture in
            let bundle = try fixture.prepare("c", "stat -c %F /data/victim; tty >/dev/null") {
                $0.process?.terminal = true
                $0.mounts?.removeAll { $0.destination == "/dev" }
            }
            try Files.write(fixture.inRoot("c", "/data/victim"), "image\n")
            symlink("/data/victim", fixture.inRoot("c", "/dev/console"))
            let result = try await fixture.runtime(
                ["run", "--bundle", bundle, "c"], environment: Self.environment(without))
            #expect(result.output.contains("character special file") == !without.isEmpty, "\(result)")
            if without.isEmpty {
                #expect(result.code == 1 && result.errors.contains("/dev/console"), "\(result)")
                try await fixture.expectNothingLeft("c")
            }
        }
    }

    /// The terminal's number in /dev/pts is the image's own link: with the guard nobody looks there.
    @Test(arguments: states("console"))
    func `nothing but the terminal becomes the console (CVE-2025-52565)`(without: [String]) async throws {
        try await withBundles("pts") { fixture in
            let bundle = try fixture.prepare("c", "stat -c 'device %t:%T' /dev/console; echo 1 > /dev/console") {
                $0.process?.terminal = true
                $0.mounts?.removeAll { $0.destination.hasPrefix("/dev") }
                $0.mount("devpts", "/dev/pts/pts", ["newinstance", "ptmxmode=0666", "mode=0620"], type: "devpts")
                $0.linux?.readonlyPaths = []
            }
            // A multiplexer of the image takes the devpts that lies beside it (Documentation/filesystems/devpts.rst).
            try Files.makeDirectories(fixture.inRoot("c", "/dev/pts/pts"))
            try checked("mknod", cl_mknodat(AT_FDCWD, fixture.inRoot("c", "/dev/pts/ptmx"), S_IFCHR | 0o666, 5, 2))
            symlink(Self.parameter, fixture.inRoot("c", "/dev/pts/0"))
            try Files.write(fixture.inRoot("c", "/dev/console"), "")
            let result = try await fixture.runtime(
                ["run", "--bundle", bundle, "c"], environment: Self.environment(without))
            #expect(result.output.contains(without.isEmpty ? "device 88:0" : "device 0:0"), "\(result)")
        }
    }
}
