import TestSupport
import Testing
import Values

@testable import Lab

@Suite struct LabConfigurationTests {
    @Test func readsEveryKey() throws {
        let lab = try LabConfiguration(
            yaml: """
                name: big-one
                underlay: {ipv4: 192.168.5.0/24, ipv6: "fd12::/64", mtu: 9000, dns: 192.168.5.2}
                hosts:
                  - name: h1
                    labels: {zone: a, rack: 7}
                    limits: {cpus: 1.5, memory: 512MiB, rate: 100mbit}
                  - name: h2
                    role: worker
                """)
        #expect(lab.name == "big-one")
        #expect(lab.underlay.ipv4 == CIDR("192.168.5.0/24")!)
        #expect(lab.underlay.ipv6 == CIDR("fd12::/64")!)
        #expect(lab.underlay.mtu == 9000)
        #expect(lab.underlay.dns == IPAddress("192.168.5.2")!)
        let first = LabConfiguration.Host(
            name: "h1", role: .manager, labels: ["zone": "a", "rack": "7"],
            limits: .init(cpus: 1.5, memoryBytes: 512 << 20, rateBitsPerSecond: 100_000_000))
        #expect(lab.hosts == [first, LabConfiguration.Host(name: "h2", role: .worker)])
        #expect(lab.underlay.addresses(ofHost: 1, of: 2).v4 == IPAddress("192.168.5.12")!)
        #expect(lab.underlay.own.v4 == IPAddress("192.168.5.1")!)
    }

    @Test func smallSubnetStartsAtTheSecondAddress() {
        let underlay = LabConfiguration.Underlay(ipv4: CIDR("10.0.0.0/29")!)
        #expect(underlay.addresses(ofHost: 0, of: 3).v4 == IPAddress("10.0.0.2")!)
    }

    @Test(
        "A mistake is an error that names its path",
        arguments: [
            ("name: a\nhosts: [{name: h1}]\nnetwork: x", "network: unknown key"),
            ("name: a\nhosts: [{name: h1, size: 3}]", "hosts[0].size: unknown key"),
            ("name: a\nhosts: [{name: h1, limits: {cpu: 3}}]", "hosts[0].limits.cpu: unknown key"),
            ("name: a\nhosts: [{name: h1, limits: {cpus: many}}]", "hosts[0].limits.cpus: expected a number"),
            ("name: a\nhosts: [{name: h1, limits: {memory: [1]}}]", "hosts[0].limits.memory: expected a size"),
            ("name: a\nhosts: [{name: h1, limits: {rate: 100}}]", "hosts[0].limits.rate: expected a rate"),
            ("name: a\nhosts: [{name: h1, role: leader}]", "hosts[0].role: expected manager or worker"),
            ("name: a\nhosts: [{name: h1, labels: [a]}]", "hosts[0].labels: expected a mapping"),
            ("name: a\nhosts: {h1: x}", "hosts: expected a list"),
            ("name: a\nhosts: [{role: worker}]", "hosts[0]: \"name\" is missing"),
            ("hosts: [{name: h1}]", "the file: \"name\" is missing"),
            ("name: a\nhosts: []", "hosts: a lab needs"),
            ("name: A_b\nhosts: [{name: h1}]", "name: \"A_b\" is no name"),
            ("name: ../x\nhosts: [{name: h1}]", "name: \"../x\" is no name"),
            ("name: a\nhosts: [{name: h1}, {name: h1}]", "hosts[1].name: two hosts"),
            ("name: a\nhosts: [{name: underlay}]", "hosts[0].name: \"underlay\" is reserved"),
            ("name: a\nhosts: [{name: h1}]\nunderlay: {mtu: 100}", "underlay.mtu: 100"),
            ("name: a\nhosts: [{name: h1}]\nunderlay: {ipv4: 10.0.0.1/24}", "underlay.ipv4: 10.0.0.1/24"),
            ("name: a\nhosts: [{name: h1}]\nunderlay: {ipv6: 10.0.0.0/24}", "underlay.ipv6: 10.0.0.0/24"),
            ("name: a\nhosts: [{name: h1}]\nunderlay: {dns: here}", "underlay.dns: expected an address"),
            ("- a", "the file: expected a mapping"), ("", "the file is empty"), ("a: [", "not YAML"),
        ])
    func mistakes(yaml: String, message: String) {
        #expect {
            try LabConfiguration(yaml: yaml)
        } throws: { error in
            "\(error)".hasPrefix(message)
        }
    }

    @Test("The files of cluster-configs are labs")
    func examples() throws {
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        for (file, managers, workers) in [("three-hosts", 3, 0), ("five-managers", 5, 0), ("workers", 1, 3)] {
            let lab = try LabConfiguration(file: "\(root)/cluster-configs/\(file).yml")
            #expect(lab.hosts.count { $0.role == .manager } == managers)
            #expect(lab.hosts.count { $0.role == .worker } == workers)
        }
    }
}
