import LinuxSystem
import TestSupport
import Testing

extension EngineSystemTests {
    @Suite(.enabled(if: EngineHost.isDriven, EngineHost.drivenReason))
    struct NetworkTests {
        private func fetch(_ host: EngineHost, from place: String = EngineHost.name, _ address: String) async throws
            -> String
        {
            try await host.exec(on: place, "busybox", "wget", "-qO-", "http://\(address)/seed").output
        }

        @Test func publishedPorts() async throws {
            try await EngineHost.with("ports") { host in
                let web = ["httpd", "-f", "-p", "80", "-h", "/data"]
                let run =
                    ["run", "-d", "--name", "web", "-p", "8080:80", "-p", "127.0.0.1:8081:80", EngineHost.image] + web
                #expect(try await host.attempt(run).succeeded)
                #expect(try await host.docker("port", "web") == "80/tcp -> 0.0.0.0:8080\n80/tcp -> 127.0.0.1:8081")
                for (place, address, answer) in [
                    (RunningPlace.underlay, "\(host.address):8080", "seed"), (.host, "\(host.address):8080", "seed"),
                    (.host, "127.0.0.1:8080", "seed"), (.host, "127.0.0.1:8081", "seed"),
                    (.underlay, "\(host.address):8081", ""), (.host, "\(host.address):8081", ""),
                ] {
                    #expect(try await fetch(host, from: place.rawValue, address) == answer, "\(place) \(address)")
                }
                // From another container, by the host's address.
                #expect(try await host.output([], "wget -qO- http://\(host.address):8080/seed") == "seed")
                let taken = try await host.attempt(
                    ["run", "-d", "--name", "second", "-p", "8080:80", EngineHost.image] + web)
                #expect(taken.code == 125)
                #expect(taken.errorOutput.contains("Bind for 0.0.0.0:8080 failed: port is already allocated"))
                #expect(try await host.inspect("second", ".State.Status") == "created")
                try await host.docker("rm", "-f", "web")
                #expect(try await fetch(host, "127.0.0.1:8080") == "")
                try await host.docker("start", "second")
                #expect(try await fetch(host, "127.0.0.1:8080") == "seed")
                // A port of the host's choice.
                _ = try await host.attempt(["run", "-d", "--name", "any", "-p", "80", EngineHost.image] + web)
                let chosen = try await host.docker("port", "any", "80/tcp").split(separator: ":").last.map(String.init)
                #expect(try await fetch(host, from: "underlay", "\(host.address):\(chosen ?? "")") == "seed")
            }
        }

        enum RunningPlace: String {
            case underlay
            case host = "h1"
        }

        @Test func namesInNetworks() async throws {
            try await EngineHost.with("names") { host in
                try await host.docker("network", "create", "--subnet", "10.84.0.0/24", "back")
                try await host.docker(
                    "run", "-d", "--name", "web", "--network", "back", "--network-alias", "alias", "--ip", "10.84.0.77",
                    EngineHost.image, "httpd", "-f", "-p", "80", "-h", "/data")
                for name in ["web", "alias", "10.84.0.77"] {
                    #expect(try await host.output(["--network", "back"], "wget -qO- http://\(name)/seed") == "seed")
                }
                #expect(
                    try await host.output(["--network", "back"], "cat /etc/resolv.conf").contains(
                        "nameserver 127.0.0.11"))
                // Another network neither knows the name nor reaches the address.
                try await host.docker("run", "-d", "--name", "apart", EngineHost.image, "sleep", "1000")
                let ask = ["exec", "apart", "wget", "-qO-", "http://web/seed"]
                #expect(try await host.attempt(ask).code != 0)
                try await host.docker("network", "connect", "back", "apart")
                // It had the host's own name server until now.
                #expect(try await host.docker("exec", "apart", "wget", "-qO-", "http://web/seed") == "seed")
                #expect(
                    try await host.docker("exec", "apart", "ip", "-o", "-4", "addr", "show", "eth1").contains(
                        "10.84.0."))
                let used = try await host.attempt(["network", "rm", "back"])
                #expect(used.code == 1 && used.errorOutput.contains("has active endpoints"))
                try await host.docker("network", "disconnect", "back", "apart")
                #expect(try await host.attempt(["exec", "apart", "ip", "link", "show", "eth1"]).code != 0)
                try await host.docker("rm", "-f", "web")
                try await host.docker("network", "rm", "back")
                #expect(try await host.docker("network", "ls", "--format", "{{.Name}}") == "bridge\nhost\nnone")
            }
        }

        @Test(.enabled(if: UpstreamNames.isPossible, "the name server needs python3"))
        func externalNames() async throws {
            try await EngineHost.with("external") { host in
                try await UpstreamNames.serve(host.lab)
                try await host.docker("network", "create", "back")
                for network in ["back", "bridge"] {
                    let known = try await host.output(["--network", network], "nslookup upstream.example || true")
                    #expect(known.contains("10.9.8.7"), "\(network): \(known)")
                    let unknown = try await host.run(["--network", network], "nslookup absent.example")
                    #expect(unknown.code != 0 && unknown.output.contains("NXDOMAIN"), "\(network)")
                }
            }
        }

        @Test func otherModes() async throws {
            try await EngineHost.with("modes") { host in
                #expect(try await host.output(["--network", "none"], "ls /sys/class/net") == "lo")
                #expect(
                    try await host.output(["--network", "host"], "hostname; ip -o -4 addr").contains(
                        "\(host.address)/24"))
                try await host.docker(
                    "run", "-d", "--name", "web", EngineHost.image, "httpd", "-f", "-p", "127.0.0.1:80", "-h", "/data")
                #expect(
                    try await host.output(["--network", "container:web"], "wget -qO- http://127.0.0.1/seed") == "seed")
                #expect(try await host.docker("exec", "web", "ip", "-4", "addr", "show", "eth0").contains("172.17."))
                // What only the containers hold goes with them.
                try await host.docker("rm", "-f", "web")
                #expect(try await host.exec("ls", "/run/martlet/netns").output == "")
                try await host.docker("network", "create", "unused")
                #expect(try await host.docker("network", "prune", "-f").contains("unused"))
                #expect(try await host.exec("sh", "-c", "ip -br link | grep -c 'veth\\|br-'").output == "0")
            }
        }
    }
}
