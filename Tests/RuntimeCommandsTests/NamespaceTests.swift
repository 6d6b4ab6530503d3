import JSON
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config-linux.md: Namespaces.
@Suite(.bundles) struct NamespaceTests {
    typealias Kind = LinuxConfiguration.NamespaceType

    @Test(arguments: [Kind.pid, .network, .ipc, .uts, .mount, .cgroup])
    func `a new one, and exec is in it too`(kind: Kind) async throws {
        try await withBundles("new") { fixture in
            let pid = try await fixture.launch("c") { $0.add(kind) }
            let namespace = try #require(kind.of(pid))
            #expect(namespace != kind.own)
            let inside = try await fixture.exec("c", "readlink /proc/self/ns/\(kind.file)")
            #expect(inside.line == namespace, "\(inside)")
        }
    }

    @Test(arguments: [Kind.pid, .network, .ipc, .uts, .mount, .cgroup, .user])
    func `one that is not named is the runtime's own`(kind: Kind) async throws {
        try await withBundles("inherited") { fixture in
            let pid = try await fixture.launch("c") {
                $0.remove(kind)
                if kind == .uts { $0.hostname = nil }
            }
            #expect(kind.of(pid) == kind.own)
        }
    }

    @Test(arguments: [Kind.pid, .network, .ipc, .uts, .mount, .cgroup])
    func `one that a path names is joined`(kind: Kind) async throws {
        try await withBundles("joined") { fixture in
            try await NamespaceHolder.with([kind], fixture) { holder in
                let pid = try await fixture.launch("c") { $0.add(kind, path: holder.path(kind)) }
                #expect(kind.of(pid) == linkTarget(holder.path(kind)))
                #expect(kind.of(pid) != kind.own)
                let inside = try await fixture.exec("c", "readlink /proc/self/ns/\(kind.file)")
                #expect(inside.line == kind.of(pid), "\(inside)")
                try await fixture.succeed("delete", "--force", "c")
                try await fixture.expectNothingLeft("c")
            }
        }
    }

    @Test func `a path that names nothing, or another kind, is an error that names it`() async throws {
        try await withBundles("wrong") { fixture in
            for (path, reason) in [
                ("/proc/self/ns/nothing", "no such file or directory"), ("/proc/self/ns/uts", "invalid argument"),
                ("/dev/null", "invalid argument"),
            ] {
                let bundle = try fixture.prepare("c", "true") { $0.add(.network, path: path) }
                let result = try await fixture.command("create", "--bundle", bundle, "c")
                #expect(result.code == 1)
                #expect(
                    result.errors.contains("linux.namespaces (network): cannot join \(path): \(reason)"), "\(result)")
                try await fixture.expectNothingLeft("c")
            }
        }
    }

    @Test func `a kind that is named twice is an error`() async throws {
        try await withBundles("twice") { fixture in
            let bundle = try fixture.prepare("c", "true")
            try fixture.rewrite("c") {
                $0["linux"]?["namespaces"] = [["type": "mount"], ["type": "pid"], ["type": "pid"]]
                $0["hostname"] = ""
            }
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(result.errors.contains("pid"), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test func `without a mount namespace the root is the container's all the same, and its mounts go with it`()
        async throws
    {
        try await withBundles("nomount") { fixture in
            try await fixture.launch("c") { $0.remove(.mount) }
            let first = try await fixture.exec("c", "readlink /proc/1/cwd; ls /")
            #expect(first.output.contains("data"), "\(first)")
            #expect(try Files.text("/proc/self/mountinfo").contains(fixture.inRoot("c", "/proc")))
            try await fixture.succeed("delete", "--force", "c")
            try await fixture.expectNothingLeft("c")
            #expect(try !Files.text("/proc/self/mountinfo").contains(fixture.inRoot("c", "")))
            let bundle = try fixture.prepare("d", ["/missing"]) { $0.remove(.mount) }
            let result = try await fixture.command("create", "--bundle", bundle, "d")
            #expect(result.code == 1)
            try await fixture.expectNothingLeft("d")
            #expect(try !Files.text("/proc/self/mountinfo").contains(fixture.inRoot("d", "")))
        }
    }

    @Test func `no host name without a UTS namespace (config.md: Hostname)`() async throws {
        try await withBundles("noname") { fixture in
            let bundle = try fixture.prepare("c", "true") { $0.remove(.uts) }
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(result.errors.contains("hostname"), "\(result)")
        }
    }

    @Test func `without a PID namespace kill --all reaches every process`() async throws {
        try await withBundles("hostpid") { fixture in
            try await fixture.launch("c", "sleep 1000 & sleep 1000 & touch /data/ready; wait") { $0.remove(.pid) }
            try await fixture.waitFile(fixture.inRoot("c", "/data/ready"))
            #expect(fixture.processes("c").count == 3)
            try await fixture.succeed("kill", "--all", "c", "KILL")
            try await fixture.waitStatus("c", "stopped")
            try await waitUntil("no process is left") { fixture.processes("c").isEmpty }
            try await fixture.succeed("delete", "c")
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test(arguments: [[], ["--force"]])
    func `without a PID namespace delete ends what the first process left`(flags: [String]) async throws {
        try await withBundles("leftover") { fixture in
            try await fixture.launch("c", "sleep 1000 & exec true") { $0.remove(.pid) }
            try await fixture.waitStatus("c", "stopped")
            try #require(fixture.processes("c").count == 1)
            let result = try await fixture.runtime(["delete"] + flags + ["c"])
            #expect(result.code == 0, "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test func `in a joined PID namespace delete --force ends the container's processes alone`() async throws {
        try await withBundles("joinedpid") { fixture in
            try await NamespaceHolder.with([.pid], fixture) { holder in
                try await fixture.launch("c", "sleep 1000 & touch /data/ready; wait") {
                    $0.add(.pid, path: holder.path(.pid))
                }
                try await fixture.waitFile(fixture.inRoot("c", "/data/ready"))
                #expect(fixture.processes("c").count == 2)
                try await fixture.succeed("delete", "--force", "c")
                try await fixture.expectNothingLeft("c")
                #expect(linkTarget(holder.path(.pid)) != nil)
            }
        }
    }
}

/// config-linux.md: Offset for Time Namespace.
@Suite(.bundles) struct TimeNamespaceTests {
    private static let offsets = ["monotonic 86400 0", "boottime 172800 500"]
    private static let script = "readlink /proc/self/ns/time; awk '{print $1, $2, $3}' /proc/self/timens_offsets"

    @Test func `a new one has the offsets, and exec is in it too`() async throws {
        try await withBundles("time") { fixture in
            let pid = try await fixture.launch("c") {
                $0.add(.time)
                $0.linux?.timeOffsets = try decoded(
                    #"{"monotonic":{"secs":86400},"boottime":{"secs":172800,"nanosecs":500}}"#)
            }
            let namespace = try #require(LinuxConfiguration.NamespaceType.time.of(pid))
            #expect(namespace != LinuxConfiguration.NamespaceType.time.own)
            let inside = try await fixture.exec("c", Self.script)
            #expect(inside.lines == [namespace] + Self.offsets, "\(inside)")
            func uptime(_ text: String) -> Double { text.split(separator: " ").first.flatMap { Double($0) } ?? 0 }
            let host = uptime(try Files.text("/proc/uptime"))
            let shown = uptime(try await fixture.exec("c", "cat /proc/uptime").line)
            #expect(shown >= host + 172_800 && shown < host + 172_860)
        }
    }

    @Test func `a new one without offsets, and one that is joined`() async throws {
        try await withBundles("timejoin") { fixture in
            let time = LinuxConfiguration.NamespaceType.time
            let pid = try await fixture.launch("c") { $0.add(.time) }
            let namespace = try #require(time.of(pid))
            #expect(namespace != time.own)
            let inside = try await fixture.exec("c", Self.script)
            #expect(inside.lines == [namespace, "monotonic 0 0", "boottime 0 0"], "\(inside)")
            try await NamespaceHolder.with([.time], fixture) { holder in
                let pid = try await fixture.launch("d") { $0.add(.time, path: holder.path(.time)) }
                #expect(time.of(pid) == linkTarget(holder.path(.time)))
            }
        }
    }
}
