import RuntimeSpec
import TestSupport
import Testing

/// config-linux.md: Sysctl.
@Suite(.bundles) struct SysctlTests {
    @Test func `those of the container's own namespaces are set`() async throws {
        try await withBundles("sysctl") { fixture in
            let values = [
                "net.ipv4.ip_forward": "1", "net.ipv4.ping_group_range": "0 7", "kernel.shmmax": "123456",
                "kernel.msgmax": "4321", "fs.mqueue.msg_max": "17",
            ]
            let names = values.keys.sorted()
            let files = names.map { "/proc/sys/" + $0.split(separator: ".").joined(separator: "/") }
            let result = try await fixture.run("c", "cat \(files.joined(separator: " ")) | tr '\\t' ' '") {
                $0.linux?.sysctl = values
            }
            #expect(result.lines == names.map { values[$0]! }, "\(result)")
        }
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        let name: String
        var without: LinuxConfiguration.NamespaceType?
        var testDescription: String { name + (without.map { " without \($0.rawValue)" } ?? "") }
    }

    @Test(arguments: [
        Refused(name: "vm.swappiness"), Refused(name: "kernel.pid_max"), Refused(name: "kernel.core_pattern"),
        Refused(name: "net.ipv4.ip_forward", without: .network), Refused(name: "kernel.shmmax", without: .ipc),
        Refused(name: "fs.mqueue.msg_max", without: .ipc),
    ]) func `one that is the whole machine's is refused by name`(refused: Refused) async throws {
        try await withBundles("refused") { fixture in
            let bundle = try fixture.prepare("c", "true") {
                $0.linux?.sysctl = [refused.name: "1"]
                if let kind = refused.without { $0.remove(kind) }
            }
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(result.errors.contains(refused.name), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test(arguments: ["net.ipv4.no_such_name", "net.../../kernel/panic", "net/ipv4/../../kernel/panic"])
    func `one that is not there, or leads elsewhere, is an error`(name: String) async throws {
        try await withBundles("nosuch") { fixture in
            let bundle = try fixture.prepare("c", "true") { $0.linux?.sysctl = [name: "1"] }
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(!result.errors.isEmpty)
            try await fixture.expectNothingLeft("c")
        }
    }
}
