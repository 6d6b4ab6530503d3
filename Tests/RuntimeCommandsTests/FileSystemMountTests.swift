import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: Mounts, of file systems that are made for the container.
@Suite(.bundles) struct FileSystemMountTests {
    @Test(arguments: ["/data", "/made"]) func `a tmpfs with mode, size and owner (tmpfs(5))`(place: String) async throws
    {
        try await withBundles("tmpfs") { fixture in
            let script = """
                stat -c '%a %u:%g' \(place); grep ' \(place) ' /proc/self/mountinfo
                dd if=/dev/zero of=\(place)/file bs=4096 count=512
                """
            let result = try await fixture.run("c", script) {
                $0.grant(["CAP_DAC_OVERRIDE"])
                $0.mount("tmpfs", place, ["nosuid", "mode=1770", "size=1m", "uid=3", "gid=4"], type: "tmpfs")
            }
            #expect(result.lines.first == "1770 3:4", "\(result)")
            let line = try #require(MountLine.at(place, in: result))
            #expect(line.type == "tmpfs")
            #expect(line.superOptions.contains("size=1024k"), "\(line)")
            #expect(line.options.contains("nosuid"), "\(line)")
            #expect(result.errors.contains("No space left on device"), "\(result)")
            #expect(!Files.exists(fixture.inRoot("c", place + "/file")))
        }
    }

    @Test(arguments: [false, true]) func `tmpcopyup: what the image has at the place is in it`(readOnly: Bool)
        async throws
    {
        try await withBundles("copyup") { fixture in
            let bundle = try fixture.prepare(
                "c",
                """
                cd /data; cat file directory/inner; readlink link; stat -c '%n %a %u:%g' file directory directory/inner
                touch made && rm file && echo written; exit 0
                """
            ) {
                $0.grant(["CAP_DAC_OVERRIDE"])
                $0.mount("tmpfs", "/data", ["tmpcopyup"] + (readOnly ? ["ro"] : []), type: "tmpfs")
            }
            let place = fixture.inRoot("c", "/data")
            try Files.makeDirectories(place + "/directory")
            try Files.write(place + "/file", "content\n")
            try Files.write(place + "/directory/inner", "inner\n")
            symlink("/nowhere/at all", place + "/link")
            for (name, owner, mode) in [("file", 5, 0o640), ("directory", 7, 0o711), ("directory/inner", 8, 0o604)] {
                chown("\(place)/\(name)", uid_t(owner), gid_t(owner + 1))
                chmod("\(place)/\(name)", mode_t(mode))
            }
            let result = try await fixture.runtime(["run", "--bundle", bundle, "c"])
            let lines = [
                "content", "inner", "/nowhere/at all", "file 640 5:6", "directory 711 7:8", "directory/inner 604 8:9",
            ]
            #expect(result.lines == lines + (readOnly ? [] : ["written"]), "\(result)")
            #expect(try Files.list(place).sorted() == ["directory", "file", "link"])
        }
    }

    @Test func `tmpcopyup: names need not be text`() async throws {
        try await withBundles("copynames") { fixture in
            let bundle = try fixture.prepare("c", "cat /data/*/*; cat /data/*x") {
                $0.mount("tmpfs", "/data", ["tmpcopyup"], type: "tmpfs")
            }
            // No UTF-8: 0xff is in no character, 0xc3 begins one.
            let place = try Descriptor.open(fixture.inRoot("c", "/data"), O_RDONLY | O_DIRECTORY)
            let directory: [CChar] = [-1, -2, 0]
            try syscall("mkdir") { mkdirat(place.rawValue, directory, 0o755) }
            for (name, text) in [(directory.dropLast() + [0x2f, -61, 0], "inner\n"), ([-1, 0x78, 0], "outer\n")] {
                let file = Descriptor(
                    owning: try syscall("open") { openat(place.rawValue, Array(name), O_WRONLY | O_CREAT, 0o644) })
                try Bytes.writeAll(file.rawValue, Array(text.utf8))
            }
            let result = try await fixture.runtime(["run", "--bundle", bundle, "c"])
            #expect(result.lines == ["inner", "outer"], "\(result)")
        }
    }

    @Test func `remount changes what is mounted`() async throws {
        try await withBundles("remount") { fixture in
            let source = fixture.directory.path("source")
            try fixture.directory.write("source/file", "host\n")
            let result = try await fixture.run("c", "cat /data/file; touch /data/made; exit 0") {
                $0.mount(source, "/data", ["bind", "rw"])
                $0.mount(source, "/data", ["bind", "remount", "ro"])
            }
            #expect(result.line == "host", "\(result)")
            #expect(result.errors.contains("Read-only file system"), "\(result)")
            #expect(!Files.exists(source + "/made"))
        }
    }

    @Test func `message queues of the container's own (mq_overview(7))`() async throws {
        try await withBundles("mqueue") { fixture in
            let script =
                "grep ' /dev/mqueue ' /proc/self/mountinfo; touch /dev/mqueue/queue && head -c 5 /dev/mqueue/queue"
            let result = try await fixture.run("c", script) {
                $0.mount("mqueue", "/dev/mqueue", ["nosuid", "noexec", "nodev"], type: "mqueue")
            }
            #expect(MountLine.at("/dev/mqueue", in: result)?.type == "mqueue", "\(result)")
            #expect(result.lines.last == "QSIZE", "\(result)")
        }
    }

    private static let isUnifiedOnly = Files.exists("/sys/fs/cgroup/cgroup.controllers")

    @Test(arguments: [false, true]) func `its own control groups, read-only`(hasNamespace: Bool) async throws {
        try await withBundles("cgroup") { fixture in
            let script = """
                cd /sys/fs/cgroup; test -d pids && cd pids; cat pids.max
                echo 5 > pids.max; mkdir group; cut -d: -f3 /proc/self/cgroup | tail -n 1
                """
            let result = try await fixture.run("c", script) {
                var pids = LinuxResources.PIDs()
                pids.limit = 77
                $0.linux?.resources?.pids = pids
                if hasNamespace { $0.add(.cgroup) }
                $0.mount(
                    "cgroup", "/sys/fs/cgroup", ["nosuid", "noexec", "nodev", "relatime", "ro"], type: "cgroup")
            }
            // Where v2 alone is mounted a container without a namespace of its own sees all of it, as with runc.
            if hasNamespace || !Self.isUnifiedOnly { #expect(result.lines.first == "77", "\(result)") }
            #expect(result.errors.contains("Read-only file system"), "\(result)")
            #expect(result.lines.last == (hasNamespace ? "/" : "/\(fixture.groupName)/c"), "\(result)")
        }
    }

    @Test func `every hierarchy of the host is in it`() async throws {
        try await withBundles("hierarchies") { fixture in
            let pid = try await fixture.launch("c") {
                if Self.isUnifiedOnly { $0.add(.cgroup) }
                $0.mount("cgroup", "/sys/fs/cgroup", ["nosuid", "noexec", "nodev", "ro"], type: "cgroup")
            }
            let entries = try Files.text("/proc/\(pid)/cgroup").split(separator: "\n").map {
                $0.split(separator: ":", omittingEmptySubsequences: false)
            }
            let controllers = entries.filter { !$0[1].isEmpty && !$0[1].hasPrefix("name=") }.map { String($0[1]) }
            for controller in controllers {
                #expect(MountLine.at("/sys/fs/cgroup/\(controller)", of: pid)?.type == "cgroup", "\(controller)")
            }
            if controllers.isEmpty { #expect(MountLine.at("/sys/fs/cgroup", of: pid)?.type == "cgroup2") }
            let processes = try await fixture.exec(
                "c", "cat /sys/fs/cgroup/pids/cgroup.procs /sys/fs/cgroup/cgroup.procs")
            #expect(processes.lines.contains("1"), "\(processes)")
        }
    }

    @Test func `an option that no file system knows is an error that names the mount`() async throws {
        try await withBundles("badoption") { fixture in
            let bundle = try fixture.prepare("c", "true") {
                $0.mount("tmpfs", "/data", ["nothing=here"], type: "tmpfs")
            }
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(result.errors.contains("/data"), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }
}
