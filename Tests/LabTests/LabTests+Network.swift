import TestSupport
import Testing
import Values

@testable import Lab

/// What hosts reach.
extension LabTests {
    /// Whether one echo request from `source` to `target` is answered within a second.
    func reaches(_ lab: RunningLab, _ source: String, _ target: IPAddress) async throws -> Bool {
        // A TCP connection to a closed port: refused at once where the packets arrive, silence where they do not.
        let script = """
            import socket, sys
            s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
            s.settimeout(0.7)
            try: s.connect((sys.argv[1], 9))
            except ConnectionRefusedError: sys.exit(0)
            except OSError: sys.exit(1)
            """
        return try await lab.exec(on: source, ["python3", "-c", script, "\(target)"]).code == 0
    }

    /// Neighbours that did not answer are asked again after a second only.
    func expectReaches(_ lab: RunningLab, _ source: String, _ target: IPAddress) async throws {
        try await waitUntil("\(source) reaches \(target)") { try await reaches(lab, source, target) }
    }

    @Test("Hosts reach each other and the underlay, over IPv4 and IPv6; a partition goes both ways and is mended")
    func partition() async throws {
        try await Self.withLab("cut", hosts: 3) { lab in
            let hosts = try lab.hosts()
            let underlay = try lab.underlayAddresses()
            try await expectReaches(lab, "h1", hosts[1].address)
            try await expectReaches(lab, "h2", hosts[0].address6)
            try await expectReaches(lab, "underlay", hosts[2].address)
            try await expectReaches(lab, "h3", underlay.v4)
            // A name server that is not there refuses, however often it is asked; so does everything outside the lab.
            let asking = """
                import socket
                for address in ['10.77.0.1', '192.0.2.1'] * 20:
                    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1)
                    s.connect((address, 53)); s.send(b'name')
                    try: s.recv(10)
                    except TimeoutError: raise
                    except OSError: pass
                """
            _ = try await output(lab, "h1", "python3", "-c", asking)
            try await lab.cut("h1", "h2")
            #expect(try await !reaches(lab, "h1", hosts[1].address))
            #expect(try await !reaches(lab, "h2", hosts[0].address6))
            try await expectReaches(lab, "h3", hosts[0].address)
            try await expectReaches(lab, "h3", hosts[1].address)
            try await lab.mend("h2", "h1")
            try await expectReaches(lab, "h1", hosts[1].address)
            try await lab.cut("h3", "underlay")
            try await lab.cut("h3", "h2")
            #expect(try await !reaches(lab, "h3", underlay.v4))
            #expect(try await !reaches(lab, "h3", hosts[1].address))
            try await expectReaches(lab, "h3", hosts[0].address)
            try await lab.mend()
            try await expectReaches(lab, "h3", underlay.v6)
            try await expectReaches(lab, "h3", hosts[1].address)
            await #expect(throws: LabError.self) { try await lab.cut("underlay", "underlay") }
            await #expect(throws: LabError.self) { try await lab.cut("h1", "h4") }
        }
    }

    @Test("Of a partition one way, what is sent the other way arrives")
    func partitionOneWay() async throws {
        try await Self.withLab("oneway") { lab in
            let hosts = try lab.hosts()
            try await expectReaches(lab, "h1", hosts[1].address)
            try await expectReaches(lab, "h2", hosts[0].address)
            try await lab.cut(from: "h1", to: "h2")
            // What h2 asks arrives at h1, but no answer leaves; what h1 asks does not arrive.
            func heard(_ host: String) async throws -> Int? {
                let script = "awk '/^Tcp:/ && ++n == 2 {print $15}' /proc/net/snmp"
                let text = try await output(lab, host, "sh", "-c", script)
                return Int(text.filter(\.isNumber))
            }
            let before = (try await heard("h1"), try await heard("h2"))
            #expect(try await !reaches(lab, "h1", hosts[1].address))
            #expect(try await !reaches(lab, "h2", hosts[0].address))
            #expect(try await heard("h1") != before.0)
            #expect(try await heard("h2") == before.1)
            try await lab.mend("h1", "h2")
            try await expectReaches(lab, "h1", hosts[1].address)
        }
    }

    @Test("A forwarded port leads from this machine's loopback to a host that answers")
    func forward() async throws {
        try await Self.withLab("forward") { lab in
            let server = """
                import socket
                s = socket.create_server(('', 7001))
                while True:
                    c = s.accept()[0]; b = b''
                    while (p := c.recv(65536)): b += p
                    c.sendall(b[::-1]); c.close()
                """
            _ = try await output(
                lab, "h2", "sh", "-c", "python3 -c \"$0\" >/dev/null 2>&1 & echo", server)
            let port = try await lab.forward(7001, localPort: 0)
            #expect(try lab.forwards().map(\.localPort) == [port])
            let client = """
                import socket, sys
                s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)
                s.sendall(b'abc' * 100000); s.shutdown(socket.SHUT_WR)
                b = b''
                while (p := s.recv(65536)): b += p
                sys.exit(0 if b == b'cba' * 100000 else 1)
                """
            try await waitUntil("the server answers through the forwarded port") {
                try await Command.run(["python3", "-c", client, "\(port)"]).succeeded
            }
            await #expect(throws: (any Error).self) { try await lab.forward(7001, localPort: port) }
            try await lab.endForward(localPort: port)
            try await waitUntil("the port is free again") {
                try await !Command.run(["python3", "-c", client, "\(port)"]).succeeded
            }
            try await lab.forward(7001, localPort: 0)
        }
    }

    @Test("Two labs with the same hosts and addresses live beside each other")
    func twoLabs() async throws {
        try await Self.withLab("one", hosts: 1) { one in
            try await Self.withLab("two", hosts: 1) { two in
                #expect(Set(RunningLab.list().map(\.name)).isSuperset(of: [one.name, two.name]))
                _ = try await output(one, "h1", "sh", "-c", "echo one >/var/lib/martlet/who")
                #expect(try await two.exec(on: "h1", ["cat", "/var/lib/martlet/who"]).code != 0)
            }
            #expect(try one.host("h1").status == .running)
            let same = LabConfiguration(name: one.name, hosts: [LabConfiguration.Host(name: "h1")])
            await #expect(throws: LabError.self) { try await RunningLab.up(same, options: Self.options()) }
            #expect(try one.host("h1").status == .running, "a refused lab leaves the one that is there alone")
        }
    }
}
