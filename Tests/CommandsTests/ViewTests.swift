import EngineClient
import JSON
import Testing
import Values

@testable import Commands

@Suite struct ViewTests {
    @Test(
        arguments: [
            (0, "Less than a second ago"), (1, "1 second ago"), (59, "59 seconds ago"), (60, "About a minute ago"),
            (120, "2 minutes ago"), (3600, "About an hour ago"), (7200, "2 hours ago"), (172_800, "2 days ago"),
            (86_400 * 20, "2 weeks ago"), (86_400 * 90, "3 months ago"), (86_400 * 800, "2 years ago"),
        ] as [(Int64, String)])
    func lengthsOfTimeForPeople(_ seconds: Int64, _ text: String) {
        let now = Timestamp(secondsSinceEpoch: 2_000_000_000)
        #expect(HumanTime.ago(now.advanced(byNanoseconds: -seconds * 1_000_000_000), now: now) == text)
    }

    @Test func containersAsDockerListsThem() throws {
        let now = Timestamp(secondsSinceEpoch: 10_000)
        let text = try ContainerListing.make(
            [
                [
                    "Id": "0123456789abcdef", "Names": ["/web"], "Image": "web:1@sha256:00",
                    "Command": "httpd -f -p 8080 -h /www",
                    "Created": 9_880, "State": "running", "Status": "Up 2 minutes",
                    "Ports": [
                        ["PrivatePort": 80, "Type": "tcp", "IP": "0.0.0.0", "PublicPort": 8080],
                        ["PrivatePort": 53, "Type": "udp"],
                    ],
                ]
            ], isWhole: false, hasSize: false, now: now
        ).render(format: nil)
        #expect(
            text == """
                CONTAINER ID   IMAGE     COMMAND                  CREATED         STATUS         \
                PORTS                          NAMES
                0123456789ab   web:1     "httpd -f -p 8080 -h…"   2 minutes ago   Up 2 minutes   \
                53/udp, 0.0.0.0:8080->80/tcp   web

                """)
    }

    @Test func tasksAreListedBelowTheirSuccessors() throws {
        let now = Timestamp(secondsSinceEpoch: 1_735_787_100)
        func task(_ id: String, _ slot: Int64, _ created: String, _ state: String, _ reason: String) -> JSONValue {
            [
                "ID": .string(id), "ServiceID": "s", "Slot": .integer(slot), "NodeID": "n",
                "CreatedAt": .string(created),
                "DesiredState": state == "failed" ? "shutdown" : "running",
                "Spec": ["ContainerSpec": ["Image": "web:1@sha256:00"]],
                "Status": ["State": .string(state), "Timestamp": "2025-01-02T03:04:05Z", "Err": .string(reason)],
            ]
        }
        let text = try TaskListing.make(
            [
                task("t1", 1, "2025-01-02T03:00:00Z", "failed", "task: non-zero exit (137)"),
                task("t3", 2, "2025-01-02T03:00:00Z", "running", ""),
                task("t2", 1, "2025-01-02T03:01:00Z", "running", ""),
            ], services: ["s": "web"], nodes: ["n": "h1"], isWhole: false, resolves: true, now: now
        ).render(format: "{{.ID}}|{{.Name}}|{{.Image}}|{{.Node}}|{{.DesiredState}}|{{.CurrentState}}|{{.Error}}")
        #expect(
            text == """
                t2|web.1|web:1|h1|Running|Running 55 seconds ago|
                t1| \\_ web.1|web:1|h1|Shutdown|Failed 55 seconds ago|"task: non-zero exit (137)"
                t3|web.2|web:1|h1|Running|Running 55 seconds ago|

                """)
    }

    @Test func portsOfContainersAsDockerGroupsThem() {
        func port(_ inside: Int64, _ outside: Int64, _ address: String = "0.0.0.0") -> JSONValue {
            ["PrivatePort": .integer(inside), "PublicPort": .integer(outside), "IP": .string(address), "Type": "tcp"]
        }
        #expect(
            ContainerListing.ports([port(82, 82), port(81, 81), port(90, 91), port(81, 81, "::"), port(7, 0, "")])
                == "7/tcp, 0.0.0.0:81-82->81-82/tcp, [::]:81->81/tcp, 0.0.0.0:91->90/tcp")
    }

    @Test func portsThatFollowEachOtherAreOneRange() {
        func port(_ published: Int64, _ target: Int64) -> JSONValue {
            ["Protocol": "tcp", "PublishedPort": .integer(published), "TargetPort": .integer(target)]
        }
        #expect(
            ServiceListing.ports([port(81, 8081), port(80, 8080), port(90, 90), port(0, 5)])
                == "*:80-81->8080-8081/tcp, *:90->90/tcp")
    }

    @Test func namesOfImages() {
        #expect(ImageName.split("host:5000/a/b") == ("host:5000/a/b", nil))
        #expect(ImageName.split("host:5000/a/b:1") == ("host:5000/a/b", "1"))
        #expect(ImageName.tagged("web") == "web:latest")
        #expect(ImageName.tagged("web@sha256:0") == "web@sha256:0")
        #expect(ImageName.shown("web:1@sha256:0") == "web:1")
        #expect(ImageName.shown("web@sha256:0") == "web@sha256:0")
    }

    @Test func eventLines() {
        #expect(
            EventsCommand.line([
                "Type": "container", "Action": "start", "timeNano": 1_735_787_045_000_000_005,
                "Actor": ["ID": "abc", "Attributes": ["name": "web", "image": "i"]],
            ]) == "2025-01-02T03:04:05.000000005Z container start abc (image=i, name=web)")
    }

    @Test func theAddressStandsBeforeTheVerb() throws {
        let words = try CommandWords(["-H", "tcp://10.0.0.1:2375", "service", "create", "--host", "a:1.2.3.4", "i"])
        #expect(words.address == .tcp(host: "10.0.0.1", port: 2375))
        #expect(words.words == ["service", "create", "--host", "a:1.2.3.4", "i"])
        #expect(try CommandWords(["--host=unix:///s", "ps"]).address == .unix("/s"))
        #expect(try CommandWords(["ps"]).address == nil)
        #expect(try CommandWords(["exec", "-e", "A=1", "web", "curl", "-H", "--all=true"]).words.last == "--all=true")
    }

    @Test func helpIsShownForVerbsThatPassWordsOn() throws {
        #expect(try CommandWords(["run", "-e", "A=1", "--help"]).words == ["help", "run"])
        #expect(try CommandWords(["service", "create", "--help"]).words == ["help", "service", "create"])
        #expect(try CommandWords(["run", "busybox", "--help"]).words == ["run", "busybox", "--help"])
    }

    @Test func unknownVerbsNameWhatIsLikeThem() throws {
        let error = try #require(throws: CommandExit.self) { try CommandWords(["service", "updat", "x"]) }
        #expect(error.code == 1)
        #expect(error.message?.contains("unknown command: martlet service updat") == true)
        #expect(error.message?.contains("Did you mean update?") == true)
        let other = try #require(throws: CommandExit.self) { try CommandWords(["imags"]) }
        #expect(other.message?.contains("images") == true)
    }

    @Test func exitCodes() {
        #expect(
            CommandFailure.describe(EngineClientError(status: 404, message: "gone")) == (
                1, "Error response from daemon: gone"
            ))
        #expect(ContainerLauncher.code(of: "exec: \"x\": executable file not found in $PATH") == 127)
        #expect(ContainerLauncher.code(of: "exec /x: permission denied") == 126)
        #expect(ContainerLauncher.code(of: "No such image: x:latest") == 125)
    }
}

@Suite struct ServiceProgressTests {
    private func service(_ replicas: Int64, update: JSONValue? = nil) -> JSONValue {
        var value: JSONValue = ["Spec": ["Name": "web", "Mode": ["Replicated": ["Replicas": .integer(replicas)]]]]
        if let update { value["UpdateStatus"] = update }
        return value
    }

    private func task(_ slot: Int64, _ state: String, _ reason: String = "", desired: String = "running") -> JSONValue {
        [
            "Slot": .integer(slot), "NodeID": "n", "DesiredState": .string(desired),
            "Status": ["State": .string(state), "Err": .string(reason)],
        ]
    }

    @Test("Converged is: all run, and for the monitor's time")
    func convergesWhenStable() {
        var progress = ServiceProgress()
        let second: Int64 = 1_000_000_000
        let first = progress.observe(
            service: service(2), tasks: [task(1, "running"), task(2, "pending", "no suitable node")], nodes: [], now: 0)
        #expect(first.overall == "overall progress: 1 out of 2 tasks")
        #expect(first.slots == ["1/2: running", "2/2: pending: no suitable node"])
        #expect(first.outcome == nil)
        let both = [task(1, "running"), task(2, "running")]
        let second1 = progress.observe(service: service(2), tasks: both, nodes: [], now: second)
        #expect(second1.notes == ["verify: Waiting 5 seconds to verify that tasks are stable..."])
        let failed = progress.observe(
            service: service(2), tasks: [task(1, "running"), task(2, "failed", "exit 1")], nodes: [], now: 3 * second)
        #expect(failed.notes == ["verify: Detected task failure"])
        _ = progress.observe(service: service(2), tasks: both, nodes: [], now: 4 * second)
        #expect(progress.observe(service: service(2), tasks: both, nodes: [], now: 8 * second).outcome == nil)
        let end = progress.observe(service: service(2), tasks: both, nodes: [], now: 9 * second)
        #expect(end.outcome == .converged)
        #expect(end.notes == ["verify: Service web converged"])
    }

    @Test func aPausedUpdateFails() {
        var progress = ServiceProgress()
        let picture = progress.observe(
            service: service(1, update: ["State": "paused", "Message": "task failed"]), tasks: [], nodes: [], now: 0)
        #expect(picture.outcome == .failed("service update paused: task failed"))
    }

    @Test func aRollbackFailsUnlessItWasAskedFor() {
        let rolled = service(1, update: ["State": "rollback_completed", "Message": "rollback completed"])
        for (isExpected, outcome) in [
            (true, ServiceProgress.Outcome.converged),
            (false, .failed("service update rolled back: rollback completed")),
        ] {
            var progress = ServiceProgress(expectsRollback: isExpected)
            _ = progress.observe(service: rolled, tasks: [task(1, "running")], nodes: [], now: 0)
            let end = progress.observe(service: rolled, tasks: [task(1, "running")], nodes: [], now: 6_000_000_000)
            #expect(end.outcome == outcome)
        }
    }

    @Test func tasksOnLostNodesDoNotCount() {
        var progress = ServiceProgress()
        let picture = progress.observe(
            service: service(1), tasks: [task(1, "running")], nodes: [["ID": "n", "Status": ["State": "down"]]], now: 0)
        #expect(picture.overall == "overall progress: 0 out of 1 tasks")
    }

    @Test func linesAppearOnceWithoutATerminal() {
        var display = ProgressDisplay(isTerminal: false, isQuiet: false)
        var picture = ServiceProgress.Picture()
        picture.overall = "overall progress: 0 out of 1 tasks"
        picture.slots = ["1/1: pending: no suitable node"]
        let first = display.lines(picture)
        let second = display.lines(picture)
        #expect(first == ["overall progress: 0 out of 1 tasks", "1/1: pending: no suitable node"])
        #expect(second == [])
    }

    @Test func picturesAreDrawnOverEachOtherOnATerminal() {
        var display = ProgressDisplay(isTerminal: true, isQuiet: false)
        var picture = ServiceProgress.Picture()
        picture.overall = "a"
        picture.slots = ["b"]
        let first = display.drawing(picture)
        let same = display.drawing(picture)
        picture.slots = []
        let shorter = display.drawing(picture)
        #expect(first == "\u{1b}[2Ka\n\u{1b}[2Kb\n")
        #expect(same == "")
        #expect(shorter == "\u{1b}[2A\u{1b}[2Ka\n\u{1b}[J")
    }

    @Test("docker: a node's TLS status is whether it trusts the cluster's CA")
    func tlsStatusOfNodes() throws {
        func node(_ id: String, _ description: JSONValue) -> JSONValue {
            ["ID": .string(id), "Description": description]
        }
        let nodes = [
            node("a", ["Hostname": "a", "TLSInfo": ["TrustRoot": "now"]]),
            node("b", ["Hostname": "b", "TLSInfo": ["TrustRoot": "old"]]), node("c", ["Hostname": "c"]),
        ]
        let swarm: JSONValue = ["NodeID": "a", "Cluster": ["TLSInfo": ["TrustRoot": "now"]]]
        let rows = NodeListCommand.listing(nodes, swarm).rows
        #expect(rows.map { $0["TLSStatus"] } == ["Ready", "Needs Rotation", "Unknown"])
        #expect(rows.map { $0["Self"] } == [true, false, false])
    }
}
