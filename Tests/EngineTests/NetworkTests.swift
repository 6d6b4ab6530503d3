import Engine
import EngineModel
import LinuxSystem
import TestSupport
import Testing
import Values

@Suite(.serialized, .enabled(if: EngineFixture.isPossible, "needs root, busybox and martlet-runtime"))
struct NetworkTests {
    @Test func containersFindEachOtherByNameInTheirNetwork() async throws {
        try await EngineFixture.with("names") { fixture in
            let engine = fixture.engine
            var creation = NetworkCreation(name: "backend")
            creation.subnet = "10.77.0.0/24"
            let network = try await engine.createNetwork(creation).id
            _ = try await fixture.start(["httpd", "-f", "-p", "80", "-h", "/www"], name: "web") {
                $0.host.networkMode = "backend"
                var endpoint = EndpointSettings()
                endpoint.aliases = ["alias"]
                endpoint.ipamConfig = .init(ipv4Address: "10.77.0.40")
                $0.networking.endpointsConfig = ["backend": endpoint]
            }
            let client = try await fixture.start(["sleep", "60"], name: "client") { $0.host.networkMode = "backend" }
            #expect(try await engine.container("web").endpoints["backend"]?.ipAddress == "10.77.0.40")
            #expect(
                try await fixture.exec(client, ["cat", "/etc/resolv.conf"]).output.contains("nameserver 127.0.0.11"))
            for name in ["web", "alias", "web.backend"] {
                try await waitUntil("\(name) answers") {
                    let answer = try await fixture.exec(client, ["wget", "-qO-", "http://\(name)/"])
                    return answer.output == "hello from the page\n"
                }
            }
            // Another network does not know the name.
            let outside = try await fixture.start(["sleep", "60"], name: "outside")
            #expect(try await fixture.exec(outside, ["nslookup", "web"]).code != 0)
            try await engine.connect("outside", to: "backend")
            try await waitUntil("a container that was connected finds it") {
                try await fixture.exec(outside, ["wget", "-qO-", "http://10.77.0.40/"]).code == 0
            }
            #expect(await engine.members(of: network).map(\.name) == ["client", "outside", "web"])
            let error = await fixture.refusal { try await engine.removeNetwork("backend") }
            #expect(error?.kind == .forbidden)
            try await engine.disconnect("outside", from: "backend")
            #expect(await engine.members(of: network).map(\.name) == ["client", "web"])
        }
    }

    @Test("docker run --mac-address")
    func chosenAddresses() async throws {
        try await EngineFixture.with("macs") { fixture in
            let engine = fixture.engine
            var creation = NetworkCreation(name: "backend")
            creation.subnet = "10.77.0.0/24"
            _ = try await engine.createNetwork(creation)
            let command = ["sh", "-c", "cat /sys/class/net/eth0/address; sleep 60"]
            let own = try await fixture.start(command, name: "own") {
                $0.configuration.macAddress = "02-42-AC-11-00-FE"
            }
            let other = try await fixture.start(command, name: "other") {
                $0.host.networkMode = "backend"
                var endpoint = EndpointSettings()
                endpoint.macAddress = "02:42:00:00:00:aa"
                $0.networking.endpointsConfig = ["backend": endpoint]
            }
            for (id, address) in [(own, "02:42:ac:11:00:fe"), (other, "02:42:00:00:00:aa")] {
                try await waitUntil("\(address) is there") { try await fixture.logs(id) == address + "\n" }
                #expect(try await engine.container(id).endpoints.values.map(\.macAddress) == [address])
            }
            try await engine.restartContainer("other", timeoutSeconds: 0)
            #expect(try await engine.container("other").endpoints["backend"]?.macAddress == "02:42:00:00:00:aa")
            for (text, mode) in [("x", "bridge"), ("03:42:00:00:00:01", "bridge"), ("02:42:00:00:00:01", "host")] {
                let error = await fixture.refusal {
                    _ = try await fixture.create(["true"]) {
                        $0.configuration.macAddress = text
                        $0.host.networkMode = mode
                    }
                }
                #expect(error?.kind == .invalidParameter)
            }
            let error = await fixture.refusal {
                _ = try await fixture.create(["true"]) {
                    $0.host.networkMode = "host"
                    var endpoint = EndpointSettings()
                    endpoint.macAddress = "02:42:00:00:00:01"
                    $0.networking.endpointsConfig = ["host": endpoint]
                }
            }
            #expect(error?.message == "conflicting options: mac-address and the network mode")
        }
    }

    @Test func networkChoices() async throws {
        try await EngineFixture.with("modes") { fixture in
            let none = try await fixture.run(["sh", "-c", "ls /sys/class/net"]) { $0.host.networkMode = "none" }
            #expect(none.output == "lo\n")
            let first = try await fixture.start(["sleep", "60"], name: "first")
            let shared = try await fixture.run(["ip", "-o", "-4", "addr", "show", "eth0"]) {
                $0.host.networkMode = "container:first"
            }
            let address = try #require(try await fixture.engine.container(first).endpoints["bridge"]?.ipAddress)
            #expect(shared.output.contains(address))
            #expect(
                try await fixture.run(["hostname"]) { $0.host.networkMode = "container:first" }.output
                    == "\(first.prefix(12))\n")
        }
    }

    @Test func networkRefusals() async throws {
        try await EngineFixture.with("netrefuse") { fixture in
            let engine = fixture.engine
            var creation = NetworkCreation(name: "one")
            creation.subnet = "10.78.0.0/24"
            _ = try await engine.createNetwork(creation)
            var error = await fixture.refusal { _ = try await engine.createNetwork(creation) }
            #expect(error == EngineError(.conflict, "network with name one already exists"))
            creation.name = "two"
            error = await fixture.refusal { _ = try await engine.createNetwork(creation) }
            #expect(error?.message == "invalid pool request: Pool overlaps with other one on this address space")
            error = await fixture.refusal { try await engine.removeNetwork("bridge") }
            #expect(error == EngineError(.forbidden, "bridge is a pre-defined network and cannot be removed"))
            let early = try await fixture.create(["true"]) { $0.host.networkMode = "nowhere" }
            error = await fixture.refusal { try await engine.startContainer(early) }
            #expect(
                error == EngineError(.notFound, "failed to set up container networking: network nowhere not found"))
            #expect(await engine.networks().map(\.name).sorted() == ["bridge", "host", "none", "one"])
            try await engine.removeNetwork("one")
        }
    }
}
