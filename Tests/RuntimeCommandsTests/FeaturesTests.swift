import Glibc
import JSON
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// features.md, features-linux.md; `spec` as runc has it.
@Suite(.bundles) struct FeaturesTests {
    private static func words(_ value: JSONValue?) -> Set<String> { Set(value?.array?.compactMap(\.string) ?? []) }

    @Test func `features: versions, hooks, mount options, and what of Linux there is`() async throws {
        try await withBundles("features") { fixture in
            let features = try await fixture.succeed("features").json()
            #expect(features["ociVersionMin"]?.string?.hasPrefix("1.0") == true)
            #expect(features["ociVersionMax"]?.string?.hasPrefix("1.") == true)
            let hooks = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
            #expect(Self.words(features["hooks"]) == Set(hooks))
            let options: Set = ["bind", "rbind", "ro", "rro", "nosuid", "rnosuid", "rprivate", "rslave", "tmpcopyup"]
            #expect(Self.words(features["mountOptions"]).isSuperset(of: options))
            let linux = try #require(features["linux"])
            let namespaces: Set = ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"]
            #expect(Self.words(linux["namespaces"]).isSuperset(of: namespaces))
            #expect(Self.words(linux["capabilities"]).isSuperset(of: ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_BPF"]))
            let groups = try #require(linux["cgroup"])
            for name in ["v1", "v2", "systemd"] { #expect(groups[name]?.bool != nil, "\(name)") }
            let seccomp = try #require(linux["seccomp"])
            #expect(seccomp["enabled"] == true)
            #expect(Self.words(seccomp["actions"]).isSuperset(of: ["SCMP_ACT_ALLOW", "SCMP_ACT_NOTIFY"]))
            #expect(Self.words(seccomp["operators"]).isSuperset(of: ["SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"]))
            #expect(Self.words(seccomp["archs"]).contains("SCMP_ARCH_X86_64"))
            #expect(linux["apparmor"]?["enabled"]?.bool != nil)
        }
    }

    @Test func `spec: its bundle runs, and it replaces no file`() async throws {
        try await withBundles("spec") { fixture in
            let bundle = try fixture.prepare("c", "true")
            unlink(bundle + "/config.json")
            try await fixture.succeed("spec", "--bundle", bundle)
            let document = try JSONValue(parsing: Files.read(bundle + "/config.json"))
            #expect(document["root"]?["path"] == "rootfs")
            #expect(document["process"]?["args"] == ["sh"])
            #expect(document["process"]?["terminal"] == true)
            #expect(document["process"]?["noNewPrivileges"] == true)
            let kinds = document["linux"]?["namespaces"]?.array?.compactMap { $0["type"]?.string } ?? []
            #expect(Set(kinds).isSuperset(of: ["pid", "network", "ipc", "uts", "mount"]))
            let again = try await fixture.command("spec", "--bundle", bundle)
            #expect(again.code == 1)
            #expect(again.errors.contains("config.json"), "\(again)")

            try fixture.rewrite("c") {
                $0["process"]?["terminal"] = false
                $0["process"]?["args"] = ["sh", "-c", "id -u; hostname; touch /made"]
                $0["linux"]?["cgroupsPath"] = .string("/\(fixture.groupName)/c")
            }
            let result = try await fixture.runtime(["run", "--bundle", bundle, "c"])
            #expect(result.lines.first == "0", "\(result)")
            #expect(result.lines.last == document["hostname"]?.string, "\(result)")
            #expect(result.errors.contains("Read-only file system"), "\(result)")
        }
    }

    @Test func `spec --rootless: a user namespace with the caller alone`() async throws {
        try await withBundles("rootless") { fixture in
            let bundle = try fixture.prepare("c", "true")
            unlink(bundle + "/config.json")
            try await fixture.succeed("spec", "--rootless", "--bundle", bundle)
            let linux = try #require(try JSONValue(parsing: Files.read(bundle + "/config.json"))["linux"])
            let kinds = Set(linux["namespaces"]?.array?.compactMap { $0["type"]?.string } ?? [])
            #expect(kinds.contains("user"))
            #expect(!kinds.contains("network"))
            for (name, own) in [("uidMappings", geteuid()), ("gidMappings", getegid())] {
                #expect(linux[name]?.array?.count == 1)
                #expect(linux[name]?[0]?["containerID"] == 0)
                #expect(linux[name]?[0]?["hostID"]?.integer == Int64(own))
                #expect(linux[name]?[0]?["size"] == 1)
            }
            try fixture.rewrite("c") {
                $0["process"]?["terminal"] = false
                $0["process"]?["args"] = ["sh", "-c", "id -u; awk '{print $1, $2, $3}' /proc/self/uid_map"]
                $0["linux"]?["cgroupsPath"] = .string("/\(fixture.groupName)/c")
            }
            let result = try await fixture.runtime(["run", "--bundle", bundle, "c"])
            #expect(result.lines == ["0", "0 \(geteuid()) 1"], "\(result)")
        }
    }
}
