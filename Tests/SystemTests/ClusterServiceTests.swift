import EngineClient
import JSON
import Lab
import TestSupport
import Testing

extension ClusterTests {
    /// Three managers and a worker; `hello:v1` and `hello:v2` are on h1 and h2 alone at first.
    @Suite(
        .serialized,
        ClusterLab.hosts("syserv", managers: 3, workers: 1, subnet: 87) { cluster in
            try await cluster.loadImage("hello:v1", version: "v1", on: "h1")
            try await cluster.loadImage("hello:v2", version: "v2", on: "h2")
            try await cluster.output("network", "create", "-d", "overlay", "--attachable", "app")
        })
    struct Services {
        @Test("Three managers and a worker", arguments: ClusterClient.available)
        func nodes(client: ClusterClient) async throws {
            let cluster = try Cluster.required()
            for host in ["h1", "h2", "h3"] {
                let list = try await cluster.output(
                    client, on: host, "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}")
                let lines = list.split(separator: "\n").map { $0.split(separator: " ") }
                #expect(lines.map { $0[0] }.sorted() == ["h1", "h2", "h3", "w1"])
                #expect(lines.allSatisfy { $0[1] == "Ready" })
                let managers = lines.filter { $0[0] != "w1" }.map { $0.count == 3 ? $0[2] : "no manager" }
                #expect(managers.sorted() == ["Leader", "Reachable", "Reachable"])
            }
            #expect(
                try await cluster.refusal(client, on: "w1", "service", "ls").contains(
                    "Worker nodes can't be used to view or modify cluster state."))
            #expect(
                try await cluster.refusal(client, "node", "rm", "h2").contains(
                    "It must be demoted to worker before removal"))
        }

        @Test(
            "A service is made, answers everywhere, is scaled, updated, rolled back and removed",
            arguments: ClusterClient.available)
        func lifecycle(client: ClusterClient) async throws {
            let cluster = try Cluster.required()
            let name = "life-\(client)"
            let port = client == .docker ? 8081 : 8082
            try await cluster.output(
                client, on: "h2", "service", "create", "--name", name, "--network", "app", "--replicas", "4",
                "--publish",
                "\(port):8080", "--label", "tier=front", "--env", "COLOUR=red", "--health-cmd",
                "wget -q -O /dev/null http://127.0.0.1:8080/cgi-bin/hello", "--health-interval", "500ms",
                "--update-parallelism", "2", "--update-order", "start-first", "--update-monitor", "1s",
                "--rollback-parallelism", "2", "--rollback-monitor", "1s", "--stop-grace-period", "4s", "hello:v1")
            let tasks = try await cluster.waitForTasks(4, of: name)
            #expect(Set(tasks.map(\.node)).count == 4, "they are spread over the hosts")
            #expect(try await cluster.replicas(of: name, client, on: "h3") == "4/4")
            // The image was on one host only.
            let hasImage = try await cluster.output(client, on: "w1", "images", "--format", "{{.Repository}}:{{.Tag}}")
            #expect(hasImage.contains("hello:v1"))

            // On every host's address; the container sees the client's own.
            let (underlay, _) = try cluster.lab.underlayAddresses()
            for host in try cluster.lab.hosts() {
                let words = try await cluster.answer(host.name, port: port)
                #expect(words.first == "v1")
                #expect(words.last?.contains("\(underlay)") == true, "\(host.name): \(words)")
                let local = try await cluster.ask("127.0.0.1", port: port, from: host.name)
                #expect(local?.first == "v1", "\(host.name)'s loopback")
            }
            // All replicas take part.
            let replicas = WordCount()
            try await waitUntil("all four have answered", within: .seconds(20)) {
                await replicas.note(try await cluster.answer("h1", port: port)[1]) == 4
            }

            try await cluster.output(client, on: "h3", "service", "scale", "\(name)=6")
            try await cluster.waitForTasks(6, of: name)
            try await cluster.output(client, "service", "update", "--image", "hello:v2", name)
            try await cluster.waitForTasks(6, of: name, where: { $0.image.hasPrefix("hello:v2") })
            #expect(try await cluster.answer("h1", port: port).first == "v2")
            try await cluster.output(client, on: "h2", "service", "rollback", name)
            try await cluster.waitForTasks(6, of: name, where: { $0.image.hasPrefix("hello:v1") })
            let inspected = try await cluster.output(
                client, "service", "inspect", "--format", "{{.Spec.Name}} {{index .Spec.Labels \"tier\"}}", name)
            #expect(inspected == "\(name) front")
            let listed = try await cluster.output(
                client, "service", "ps", "--filter", "desired-state=running", "--format", "{{.Name}}", name)
            #expect(Set(listed.split(separator: "\n")) == Set((1...6).map { "\(name).\($0)" }))

            #expect(try await cluster.refusal(client, "network", "rm", "app").contains("is in use by service"))
            try await cluster.output(client, "service", "rm", name)
            let unknown = try await cluster.refusal(client, "service", "inspect", name).lowercased()
            #expect(unknown.contains("no such service: \(name)") || unknown.contains("service \(name) not found"))
            try await waitUntil("no task stays", within: .seconds(20)) {
                try await cluster.get("/tasks").array?.contains {
                    $0["Spec"]?["ContainerSpec"]?["Labels"]?["tier"] != nil
                } == false
            }
            try await waitUntil("the port is closed", within: .seconds(10)) {
                try await cluster.ask("\(try cluster.lab.host("h1").address)", port: port) == nil
            }
        }

        @Test(
            "A global service runs once on each host that meets its constraints, on the host's own port",
            arguments: ClusterClient.available)
        func global(client: ClusterClient) async throws {
            let cluster = try Cluster.required()
            let name = "everywhere-\(client)"
            let port = client == .docker ? 9081 : 9082
            try await cluster.output(
                client, "service", "create", "-d", "--name", name, "--mode", "global", "--constraint",
                "node.role==manager",
                "--hostname", "{{.Node.Hostname}}-it", "--publish", "mode=host,published=\(port),target=8080",
                "hello:v1")
            let tasks = try await cluster.waitForTasks(3, of: name)
            #expect(tasks.map(\.node).sorted() == ["h1", "h2", "h3"])
            for host in ["h1", "h2", "h3"] {
                #expect(try await cluster.answer(host, port: port)[1] == "\(host)-it")
            }
            #expect(try await cluster.ask("\(try cluster.lab.host("w1").address)", port: port) == nil)
            try await cluster.output(client, "service", "rm", name)
        }

        @Test("A task that cannot be placed or whose image is nowhere says why", arguments: ClusterClient.available)
        func reasons(client: ClusterClient) async throws {
            let cluster = try Cluster.required()
            let format = ["service", "ps", "--no-trunc", "--format", "{{.CurrentState}} {{.Error}}"]
            try await cluster.output(
                client, "service", "create", "-d", "--name", "nowhere", "--constraint", "node.labels.zone==moon",
                "hello:v1")
            try await waitUntil("the reason shows") {
                let text = try await cluster.run(client, on: "h2", format + ["nowhere"]).output
                return text.hasPrefix("Pending")
                    && text.contains("no suitable node (scheduling constraints not satisfied")
            }
            try await cluster.output(client, "service", "create", "-d", "--name", "unknown", "nosuch:v9")
            try await waitUntil("the reason shows") {
                let text = try await cluster.run(client, on: "h1", format + ["unknown"]).output
                return text.contains("Rejected") && text.contains("No such image: nosuch:v9")
            }
            // It is tried again after the restart delay, not at once.
            #expect(try await cluster.tasks(of: "unknown").count <= 3)
            try await cluster.output(client, "service", "rm", "nowhere", "unknown")
        }

        @Test("Constraints and labels of nodes place tasks, and a change moves them")
        func constraints() async throws {
            let cluster = try Cluster.required()
            try await cluster.output(
                "service", "create", "-d", "--name", "placed", "--replicas", "2", "--constraint", "node.labels.zone==a",
                "hello:v1")
            try await cluster.waitForTasks(2, of: "placed", where: { $0.node == "h1" })
            try await cluster.output(
                "service", "update", "-d", "--constraint-rm", "node.labels.zone==a", "--constraint-add",
                "node.hostname==w1", "placed")
            try await cluster.waitForTasks(2, of: "placed", where: { $0.node == "w1" })
            try await cluster.output("service", "rm", "placed")
        }

        @Test("Names of services, their tasks and containers resolve, for plain containers too")
        func names() async throws {
            let cluster = try Cluster.required()
            for (name, mode) in [("vip", "vip"), ("robin", "dnsrr")] {
                try await cluster.output(
                    "service", "create", "-d", "--name", name, "--replicas", "3", "--network", "app", "--endpoint-mode",
                    mode, "hello:v1")
            }
            for name in ["vip", "robin"] { try await cluster.waitForTasks(3, of: name) }
            try await cluster.output(on: "w1", "run", "-d", "--name", "plain", "--network", "app", "hello:v1")
            func addresses(_ name: String) async throws -> Set<Substring> {
                let text = try await cluster.run("run", "--rm", "--network", "app", "hello:v1", "nslookup", name).output
                let answers = text.split(separator: "\n").filter {
                    $0.hasPrefix("Address: ") && !$0.contains("127.0.0.11")
                }
                return Set(answers.map { $0.dropFirst("Address: ".count) })
            }
            let service = try await cluster.get("/services/vip")
            let virtual = service["Endpoint"]?["VirtualIPs"]?[0]?["Addr"]?.string ?? ""
            #expect(try await addresses("vip").map { "\($0)/24" } == [virtual])
            #expect(try await addresses("tasks.vip").count == 3)
            #expect(try await addresses("robin").count == 3)
            #expect(try await addresses("robin") == addresses("tasks.robin"))
            #expect(try await addresses("plain").count == 1)
            for name in ["vip", "robin", "tasks.vip", "plain"] {
                let text = try await cluster.output(
                    "run", "--rm", "--network", "app", "hello:v1", "wget", "-q", "-O", "-",
                    "http://\(name):8080/cgi-bin/hello")
                #expect(text.hasPrefix("v1 "), "\(name)")
            }
            let hosts = try await cluster.output(
                "run", "--rm", "--network", "app", "hello:v1", "sh", "-c",
                "i=0; while [ $i -lt 50 ]; do i=$((i+1)); wget -q -O - http://vip:8080/cgi-bin/hello; done")
            #expect(Set(hosts.split(separator: "\n").map { $0.split(separator: " ")[1] }).count == 3)
            try await cluster.output(on: "w1", "rm", "-f", "plain")
            try await cluster.output("service", "rm", "vip", "robin")
        }

        @Test("service logs gathers all tasks' output", arguments: ClusterClient.available)
        func logs(client: ClusterClient) async throws {
            let cluster = try Cluster.required()
            try await cluster.output(
                client, "service", "create", "-d", "--name", "talker", "--replicas", "3", "hello:v1", "sh", "-c",
                "echo said by $(hostname); echo complained >&2; exec sleep 1000")
            try await waitUntil("every line is there") {
                let logs = try await cluster.run(client, on: "h3", "service", "logs", "talker")
                return logs.output.split(separator: "\n").count { $0.contains("said by") } == 3
                    && logs.errorOutput.split(separator: "\n").count { $0.contains("complained") } == 3
            }
            let names = Set(
                try await cluster.output(client, "service", "logs", "talker").split(separator: "\n").map {
                    $0.prefix(8)
                })
            #expect(names == ["talker.1", "talker.2", "talker.3"])
            try await cluster.output(client, "service", "rm", "talker")
        }
    }
}
