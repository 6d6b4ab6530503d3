import Glibc
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config-linux.md: Sysctl, of namespaces that a container does not have for itself.
@Suite(.bundles) struct HostParameterTests {
    struct Parameter: Sendable, CustomTestStringConvertible {
        let name: String
        let kind: LinuxConfiguration.NamespaceType
        var testDescription: String { name }
        var file: String { "/proc/sys/" + name.split(separator: ".").joined(separator: "/") }
    }

    private static let parameters = [
        Parameter(name: "net.ipv4.ip_forward", kind: .network), Parameter(name: "kernel.shmmni", kind: .ipc),
        Parameter(name: "fs.mqueue.msg_max", kind: .ipc), Parameter(name: "kernel.domainname", kind: .uts),
    ]

    @Test(arguments: parameters)
    func `one of the host's own namespace, which is joined by path, is refused`(parameter: Parameter) async throws {
        try await withBundles("hostparameter") { fixture in
            let value = try Files.text(parameter.file).filter { $0 != "\n" }
            let bundle = try fixture.prepare("c", "true") {
                $0.add(parameter.kind, path: "/proc/\(getpid())/ns/\(parameter.kind.file)")
                // The host keeps its name.
                $0.hostname = nil
                // It would write nothing else than what is there.
                $0.linux?.sysctl = [parameter.name: value]
            }
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(result.errors.contains("sysctl \"\(parameter.name)\" is not in a separate"), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test(arguments: parameters)
    func `one of another's namespace, which is joined by path, is set`(parameter: Parameter) async throws {
        try await withBundles("otherparameter") { fixture in
            try await NamespaceHolder.with([parameter.kind], fixture) { holder in
                let value = parameter.kind == .uts ? "example.org" : "1"
                let result = try await fixture.run("c", "cat \(parameter.file)") {
                    $0.add(parameter.kind, path: holder.path(parameter.kind))
                    $0.linux?.sysctl = [parameter.name: value]
                }
                #expect(result.line == value, "\(result)")
            }
        }
    }

    @Test(arguments: ["kernel.hostname", "kernel/hostname"])
    func `the host name has a member of its own, as with runc`(name: String) async throws {
        try await withBundles("hostnameparameter") { fixture in
            let bundle = try fixture.prepare("c", "true") { $0.linux?.sysctl = [name: "other"] }
            let result = try await fixture.command("create", "--bundle", bundle, "c")
            #expect(result.code == 1)
            #expect(result.errors.contains("hostname"), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }
}
