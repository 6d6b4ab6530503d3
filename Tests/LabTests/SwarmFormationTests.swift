import JSON
import LinuxSystem
import TestSupport
import Testing

@testable import Lab

/// What `up` asks the hosts' engines for, with a stand-in that writes requests down and answers from a file.
@Suite(.serialized, .enabled(if: TestEnvironment.isRoot, "labs need root"))
struct SwarmFormationTests {
    /// Answers requests with the JSON of `answers`, by method and path; others with 200 and `{}`.
    private static func engine(_ answers: JSONValue) -> LabDaemon {
        let program = """
            import http.server, json, socketserver, sys
            answers = json.loads(sys.argv[1])
            class Handler(http.server.BaseHTTPRequestHandler):
                def answer(self):
                    body = self.rfile.read(int(self.headers.get('content-length') or 0)).decode()
                    path = self.path.split('/', 2)[2] if self.path.startswith('/v') else self.path[1:]
                    key = self.command + ' /' + path
                    if path != '_ping':
                        with open('/var/lib/martlet/requests', 'a') as file: file.write(key + ' ' + body + chr(10))
                    status, value = answers.get(sys.argv[2] + ' ' + key) or answers.get(key) or [200, {}]
                    text = json.dumps(value).encode()
                    self.send_response(status); self.send_header('content-length', str(len(text)))
                    self.end_headers(); self.wfile.write(text)
                do_GET = do_POST = answer
                def log_message(self, *_): pass
            class Server(socketserver.ThreadingUnixStreamServer):
                def get_request(self): return self.socket.accept()[0], ('client', 0)
            Server('/run/martlet/martlet.sock', Handler).serve_forever()
            """
        return LabDaemon(
            command: [
                TestEnvironment.command("python3") ?? "python3", "-c", program,
                String(decoding: answers.serialized(), as: UTF8.self), "{name}",
            ], hasSocket: true)
    }

    private static func node(_ name: String, _ role: String) -> JSONValue {
        [
            "ID": .string("id-\(name)"), "Version": ["Index": 7], "Description": ["Hostname": .string(name)],
            "Spec": ["Role": .string(role), "Availability": "active"], "Status": ["State": "ready"],
            "ManagerStatus": role == "manager" ? ["Reachability": "reachable"] : nil,
        ]
    }

    private static let answers: JSONValue = [
        "GET /swarm": [200, ["JoinTokens": ["Manager": "token-m", "Worker": "token-w"]]],
        "h2 GET /info": [200, ["Swarm": ["NodeID": "id-h2"]]],
        "GET /nodes/id-h2": [200, node("h2", "worker")],
        "GET /nodes": [200, [node("h1", "manager"), node("h2", "worker"), node("h3", "manager")]],
    ]

    private static func configuration(_ purpose: String) -> LabConfiguration {
        LabConfiguration(
            name: LabTests.name(purpose),
            hosts: [
                LabConfiguration.Host(name: "h1"),
                LabConfiguration.Host(name: "h2", role: .worker, labels: ["zone": "a"]),
                LabConfiguration.Host(name: "h3"),
            ])
    }

    private static func options(_ answers: JSONValue) -> LabOptions {
        var options = LabTests.options(engine(answers))
        options.formsSwarm = true
        return options
    }

    @Test("The first manager opens the swarm, the others join in their roles, labels are set")
    func requests() async throws {
        let configuration = Self.configuration("swarm")
        var traces = LabTraces(of: configuration.name)
        let lab = try await RunningLab.up(configuration, options: Self.options(Self.answers))
        do {
            traces.note()
            let requests = try ["h1", "h2", "h3"].map { try Files.text(lab.paths.data($0) + "/requests") }
            let expected = [
                #"POST /swarm/init {"AdvertiseAddr":"10.77.0.11:2377","ListenAddr":"0.0.0.0:2377"}"#, "GET /swarm ",
                "GET /nodes/id-h2 ",
                #"POST /nodes/id-h2/update?version=7 {"Availability":"active","Labels":{"zone":"a"},"Role":"worker"}"#,
                "GET /nodes ",
            ]
            #expect(requests[0].split(separator: "\n").map(String.init) == expected)
            let join = { (address: String, token: String) in
                #"POST /swarm/join {"AdvertiseAddr":"\#(address):2377","JoinToken":"\#(token)","#
                    + #""ListenAddr":"0.0.0.0:2377","RemoteAddrs":["10.77.0.11:2377"]}"# + "\n"
            }
            #expect(requests[1] == join("10.77.0.12", "token-w") + "GET /info \n")
            #expect(requests[2] == join("10.77.0.13", "token-m"))
        } catch {
            try? await lab.down()
            throw error
        }
        try await lab.down()
        #expect(try await traces.left() == [])
    }

    @Test("A refused join is reported with the engine's words and takes the lab down")
    func refusal() async throws {
        var answers = Self.answers
        answers["h3 POST /swarm/join"] = [400, ["message": "invalid join token"]]
        let configuration = Self.configuration("refused")
        let traces = LabTraces(of: configuration.name)
        await #expect {
            try await RunningLab.up(configuration, options: Self.options(answers))
        } throws: { error in
            "\(error)" == "cannot join h3: invalid join token"
        }
        #expect(try await traces.left() == [])
    }

    @Test func noManagerNoSwarm() async throws {
        let configuration = LabConfiguration(
            name: LabTests.name("none"), hosts: [LabConfiguration.Host(name: "h1", role: .worker)])
        let traces = LabTraces(of: configuration.name)
        await #expect(throws: LabError.self) {
            try await RunningLab.up(configuration, options: Self.options(Self.answers))
        }
        #expect(try await traces.left() == [])
    }
}
