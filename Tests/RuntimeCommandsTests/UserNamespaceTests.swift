import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

extension RuntimeConfiguration {
    /// A new user namespace: the identifiers from 0 on are `host` and those after it.
    mutating func mapUsers(_ host: UInt32, size: UInt32 = 65536) {
        add(.user)
        linux?.uidMappings = [.init(containerID: 0, hostID: host, size: size)]
        linux?.gidMappings = [.init(containerID: 0, hostID: host + 1, size: size)]
    }
}

/// config-linux.md: User namespace mappings.
@Suite(.bundles) struct UserNamespaceTests {
    private static let base: UInt32 = 100_000

    @Test func `root inside is the mapped user outside, and devices are usable`() async throws {
        try await withBundles("user") { fixture in
            let shared = fixture.directory.path("shared")
            try Files.makeDirectories(shared)
            chown(shared, Self.base, Self.base + 1)
            let script = """
                id -u; id -g; awk '{print $1, $2, $3}' /proc/self/uid_map /proc/self/gid_map
                touch /data/root; touch /data/other; chown 7:8 /data/other; stat -c '%u:%g' /data/other
                echo x > /dev/null && head -c 1 /dev/zero | wc -c
                """
            let result = try await fixture.run("c", script) {
                $0.mapUsers(Self.base)
                $0.grant(["CAP_CHOWN"])
                $0.mount(shared, "/data", ["bind"])
            }
            #expect(result.lines == ["0", "0", "0 100000 65536", "0 100001 65536", "7:8", "1"], "\(result)")
            #expect(owner(shared + "/root") == "100000:100001 644")
            #expect(owner(shared + "/other") == "100007:100009 644")
        }
    }

    @Test func `the score of its processes is set, and a time namespace in it has offsets`() async throws {
        try await withBundles("userscore") { fixture in
            let script = "cat /proc/self/oom_score_adj"
            try await fixture.launch("c") {
                $0.mapUsers(Self.base)
                $0.add(.time)
                $0.linux?.timeOffsets = try decoded(#"{"monotonic":{"secs":86400}}"#)
                $0.process?.oomScoreAdj = 123
            }
            #expect(try await fixture.exec("c", script).line == "123")
            let first = try await fixture.exec("c", "cat /proc/1/oom_score_adj; cat /proc/self/timens_offsets")
            #expect(first.lines.first == "123", "\(first)")
            #expect(first.output.contains("86400"), "\(first)")
        }
    }

    @Test func `a further process is in it too, as any user of it`() async throws {
        try await withBundles("userexec") { fixture in
            let shared = fixture.directory.path("shared")
            try Files.makeDirectories(shared)
            chmod(shared, 0o777)
            let pid = try await fixture.launch("c") {
                $0.mapUsers(Self.base)
                $0.mount(shared, "/data", ["bind"])
            }
            let user = LinuxConfiguration.NamespaceType.user
            #expect(user.of(pid) != user.own)
            let root = try await fixture.exec("c", "id -u; readlink /proc/self/ns/user; touch /data/root")
            #expect(root.lines == ["0", user.of(pid) ?? ""], "\(root)")
            let other = try await fixture.exec("c", "id -u; touch /data/other", flags: ["--user", "7:8"])
            #expect(other.line == "7", "\(other)")
            #expect(owner(shared + "/root") == "100000:100001 644")
            #expect(owner(shared + "/other") == "100007:100009 644")
        }
    }

    @Test func `the namespaces beside it are its own: capabilities hold in them`() async throws {
        try await withBundles("userowned") { fixture in
            let result = try await fixture.run("c", "hostname other && hostname; mount -t tmpfs t /tmp && echo mounted")
            {
                $0.mapUsers(Self.base)
                $0.grant(["CAP_SYS_ADMIN"])
            }
            #expect(result.lines == ["other", "mounted"], "\(result)")
        }
    }

    @Test func `with a network namespace of the host's, joined`() async throws {
        try await withBundles("usernet") { fixture in
            try await NamespaceHolder.with([.network], fixture) { holder in
                let pid = try await fixture.launch("c") {
                    $0.mapUsers(Self.base)
                    $0.add(.network, path: holder.path(.network))
                    // A sysfs is its network namespace's owner's alone.
                    $0.mounts?.removeAll { $0.type == "sysfs" }
                    $0.mount("/sys", "/sys", ["rbind", "nosuid", "noexec", "nodev", "ro"])
                }
                #expect(LinuxConfiguration.NamespaceType.network.of(pid) == linkTarget(holder.path(.network)))
                let inside = try await fixture.exec("c", "id -u")
                #expect(inside.line == "0", "\(inside)")
            }
        }
    }

    @Test func `one that is joined with a network namespace of its own`() async throws {
        try await withBundles("userjoin") { fixture in
            try await NamespaceHolder.with([.user, .network], fixture) { holder in
                let pid = try await fixture.launch("c") {
                    for kind in [LinuxConfiguration.NamespaceType.user, .network] {
                        $0.add(kind, path: holder.path(kind))
                    }
                    // Group 5 is not mapped in it.
                    for index in $0.mounts?.indices ?? 0..<0 {
                        $0.mounts?[index].options?.removeAll { $0.hasPrefix("gid=") }
                    }
                }
                for kind in [LinuxConfiguration.NamespaceType.user, .network] {
                    #expect(kind.of(pid) == linkTarget(holder.path(kind)), "\(kind)")
                }
                let inside = try await fixture.exec("c", "id -u; awk '{print $1, $2, $3}' /proc/self/uid_map")
                #expect(inside.lines == ["0", "0 0 1"], "\(inside)")
            }
        }
    }

    @Test func `a user that is not mapped is an error`() async throws {
        try await withBundles("unmapped") { fixture in
            let bundle = try fixture.prepare("c", "true") {
                $0.mapUsers(Self.base, size: 10)
                $0.process?.user = .init(uid: 10, gid: 0)
            }
            let result = try await fixture.command("run", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(!result.errors.isEmpty)
            try await fixture.expectNothingLeft("c")
        }
    }
}
