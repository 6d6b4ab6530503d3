import JSON
import Lab
import TestSupport
import Testing

extension ClusterTests {
    /// Three managers under constant load, and what a daemon's death means.
    @Suite(
        .serialized,
        ClusterLab.hosts("syroll", managers: 3, subnet: 88) { cluster in
            try await cluster.loadImage("hello:v1", version: "v1")
            try await cluster.loadImage("hello:v2", version: "v2")
            try await cluster.output("network", "create", "-d", "overlay", "--attachable", "app")
            try await cluster.output(
                "service", "create", "-d", "--name", "hello", "--network", "app", "--replicas", "6", "--publish",
                "8080:8080", "--health-cmd", "wget -q -O /dev/null http://127.0.0.1:8080/cgi-bin/hello",
                "--health-interval", "500ms", "--update-parallelism", "2", "--update-order", "start-first",
                "--update-monitor", "500ms", "--stop-grace-period", "5s", "hello:v1")
            try await cluster.waitForTasks(6, of: "hello")
            for host in ["h1", "h2", "h3"] { _ = try await cluster.answer(host, port: 8080) }
        })
    struct Rollouts {
        @Test("No request fails while a service is updated, scaled down and up")
        func update() async throws {
            let cluster = try Cluster.required()
            let load = try await ClusterLoad.start(cluster, port: 8080)
            try await cluster.output("service", "update", "--image", "hello:v2", "hello")
            try await cluster.waitForTasks(6, of: "hello", where: { $0.image.hasPrefix("hello:v2") })
            try await cluster.output("service", "scale", "-d", "hello=3")
            try await cluster.waitForTasks(3, of: "hello")
            try await cluster.output("service", "scale", "-d", "hello=6")
            try await cluster.waitForTasks(6, of: "hello")
            let report = try await load.stop()
            #expect(report.failed == 0, "\(report.text)")
            #expect(report.answers == ["v1", "v2"] && report.requests > 300, "\(report.text)")
        }

        @Test("No request fails while each daemon in turn is killed and started during an update")
        func daemonsKilled() async throws {
            let cluster = try Cluster.required()
            let load = try await ClusterLoad.start(cluster, port: 8080)
            try await cluster.output("service", "update", "-d", "--image", "hello:v1", "hello")
            for host in ["h1", "h2", "h3"] {
                try await cluster.lab.stop(host, kill: true)
                try await cluster.lab.start(host)
                try await cluster.waitForReadyNodes(3, on: host)
            }
            try await cluster.waitForTasks(
                6, of: "hello", within: .seconds(60), where: { $0.image.hasPrefix("hello:v1") })
            try await waitUntil("the update is complete", within: .seconds(20)) {
                try await cluster.updateState(of: "hello") == "completed"
            }
            let report = try await load.stop()
            #expect(report.failed == 0, "\(report.text)")
            #expect(report.requests > 300, "\(report.text)")
        }

        @Test("Containers outlive their daemon, names resolve meanwhile, and the exit status of what ended is kept")
        func daemonGone() async throws {
            let cluster = try Cluster.required()
            try await cluster.output(
                on: "h2", "run", "-d", "--name", "ender", "hello:v1", "sh", "-c",
                "while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 7")
            // Says when a name did not resolve or a request failed.
            try await cluster.output(
                on: "h2", "run", "-d", "--name", "asker", "--network", "app", "hello:v1", "sh", "-c",
                "while :; do nslookup hello >/dev/null 2>&1 || echo unresolved; "
                    + "wget -q -O /dev/null http://hello:8080/cgi-bin/hello || echo unanswered; echo asked; sleep "
                    + "0.1; done"
            )
            let asked = { (host: String) in
                try await cluster.output(on: host, "logs", "asker").split(separator: "\n").count { $0 == "asked" }
            }
            try await waitUntil("it asks") { try await asked("h2") > 2 }
            let before = try await cluster.runningTasks(of: "hello").filter { $0.node == "h2" }.map(\.id)
            let ender = try await cluster.output(on: "h2", "inspect", "--format", "{{.State.Pid}}", "ender")
            try await cluster.lab.stop("h2", kill: true)
            // The container's root is seen from its process, on the host: the daemon is not asked.
            let touched = try await cluster.lab.exec(on: "h2", ["touch", "/proc/\(ender)/root/tmp/end"])
            #expect(touched.code == 0)
            try await waitUntil("it has ended") {
                try await cluster.lab.exec(on: "h2", ["test", "-e", "/proc/\(ender)/root/tmp"]).code != 0
            }
            #expect(try await cluster.ask("\(try cluster.lab.host("h2").address)", port: 8080)?.first == "v1")
            try await cluster.lab.start("h2")
            let state = try await cluster.output(
                on: "h2", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "ender")
            #expect(state == "exited 7")
            let count = try await asked("h2")
            try await waitUntil("it asks on") { try await asked("h2") > count + 10 }
            let log = try await cluster.run(on: "h2", "logs", "asker").output
            #expect(!log.contains("unresolved") && !log.contains("unanswered"), "\(log)")
            try await cluster.waitForReadyNodes(3)
            let after = try await cluster.waitForTasks(6, of: "hello").map(\.id)
            #expect(before.allSatisfy(after.contains), "its tasks are the same")
            try await cluster.output(on: "h2", "rm", "-f", "asker", "ender")
        }
    }
}
