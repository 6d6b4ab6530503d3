import Engine
import EngineModel
import Glibc
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing
import Values

@Suite(.serialized, .enabled(if: EngineFixture.isPossible, "needs root, busybox and martlet-runtime"))
struct EngineTests {
    @Test func runsAndTellsOutputAndExitCode() async throws {
        try await EngineFixture.with("run") { fixture in
            let (code, output) = try await fixture.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
            #expect(code == 7)
            #expect(output.split(separator: "\n").sorted() == ["err", "out"])
            let record = try #require(await fixture.engine.containers().first)
            #expect(record.state.status == .exited)
            #expect(record.state.exitCode == 7)
            #expect(record.configuration.labels == ["image": "label"])
            #expect(record.state.finishedAt != nil)
            var options = LogOptions()
            options.stdout = false
            #expect(try await fixture.logs(record.id, options) == "err\n")
        }
    }

    @Test func environmentHostnameAndFiles() async throws {
        try await EngineFixture.with("env") { fixture in
            let (code, output) = try await fixture.run(
                ["sh", "-c", "echo $FROM $OWN; hostname; cat /etc/hostname; grep named /etc/hosts; pwd; id -u"]
            ) {
                $0.configuration.env = ["OWN=client"]
                $0.configuration.hostname = "named"
                $0.configuration.workingDir = "/tmp"
                $0.configuration.user = "app"
            }
            #expect(code == 0)
            let lines = output.split(separator: "\n").map(String.init)
            #expect(lines[0] == "image client")
            #expect(lines[1] == "named")
            #expect(lines[2] == "named")
            #expect(lines[3].hasPrefix("172.17."))
            #expect(lines.suffix(2) == ["/tmp", "7"])
        }
    }

    @Test("Docker: messages and classes of refusals")
    func refusals() async throws {
        try await EngineFixture.with("refusals") { fixture in
            let engine = fixture.engine
            var error = await fixture.refusal {
                _ = try await fixture.create(["x"]) { $0.configuration.image = "none" }
            }
            #expect(error == EngineError(.notFound, "No such image: none:latest"))
            error = await fixture.refusal {
                _ = try await fixture.create([]) {
                    $0.host.mounts = [MountSpecification(type: .bind, source: "/missing", target: "/x")]
                }
            }
            #expect(
                error?.message == "invalid mount config for type \"bind\": bind source path does not exist: /missing")
            let id = try await fixture.start(["sleep", "60"], name: "web")
            error = await fixture.refusal { _ = try await fixture.create(["true"], name: "web") }
            #expect(error?.kind == .conflict)
            #expect(
                error?.message == "Conflict. The container name \"/web\" is already in use by container \"\(id)\". You "
                    + "have to remove (or rename) that container to be able to reuse that name.")
            error = await fixture.refusal { try await engine.startContainer("web") }
            #expect(error?.kind == .notModified)
            error = await fixture.refusal { try await engine.removeContainer("web") }
            #expect(
                error?.message == "cannot remove container \"/web\": container is running: stop the container before "
                    + "removing or force remove")
            try await engine.killContainer("web")
            error = await fixture.refusal { try await engine.killContainer("web") }
            #expect(error == EngineError(.conflict, "container \(id) is not running"))
            error = await fixture.refusal { try await engine.stopContainer("web") }
            #expect(error?.kind == .notModified)
            error = await fixture.refusal { _ = try await engine.container("nothing") }
            #expect(error == EngineError(.notFound, "No such container: nothing"))
            // A start that fails leaves its reason and nothing else.
            let wrong = try await fixture.create(["/no/such/program"], name: "wrong")
            error = await fixture.refusal { try await engine.startContainer(wrong) }
            #expect(error?.kind == .invalidParameter)
            #expect(error?.message.contains("no such file or directory") == true, "\(error?.message ?? "")")
            let record = try await engine.container(wrong)
            #expect(record.state.status == .created)
            #expect(record.state.exitCode == 127)
            #expect(try await engine.dataplane.sandboxes() == [])
            #expect(record.endpoints["bridge"]?.ipAddress == "")
        }
    }

    @Test func stopsWithSignalThenKills() async throws {
        try await EngineFixture.with("stop") { fixture in
            let polite = try await fixture.start(
                ["sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"])
            try await waitUntil("the trap is set") { try await fixture.logs(polite) == "ready\n" }
            try await fixture.engine.stopContainer(polite, timeoutSeconds: 10)
            #expect(try await fixture.engine.container(polite).state.exitCode == 3)
            let deaf = try await fixture.start(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
            try await waitUntil("the trap is set") { try await fixture.logs(deaf) == "ready\n" }
            try await fixture.engine.stopContainer(deaf, timeoutSeconds: 0)
            #expect(try await fixture.engine.container(deaf).state.exitCode == 137)
            #expect(try await fixture.engine.dataplane.sandboxes() == [])
        }
    }

    @Test func execsInsideTheContainer() async throws {
        try await EngineFixture.with("exec") { fixture in
            let id = try await fixture.start(["sleep", "60"])
            let (code, output) = try await fixture.exec(id, ["sh", "-c", "cat; exit 5"], input: "through\n")
            #expect(code == 5)
            #expect(output == "through\n")
            let exec = try await fixture.engine.createExec(
                id,
                {
                    var c = ExecConfiguration()
                    c.cmd = ["touch", "/tmp/made"]
                    return c
                }())
            try await fixture.engine.startDetachedExec(exec)
            try await waitUntil("the detached exec ends") {
                try await fixture.engine.exec(exec).state == .exited(code: 0)
            }
            #expect(try await fixture.exec(id, ["ls", "/tmp"]).output == "made\n")
            let error = await fixture.refusal { _ = try await fixture.exec(id, ["nothing-like-it"]) }
            #expect(error?.message.contains("executable file not found in $PATH") == true, "\(error?.message ?? "")")
        }
    }

    @Test("Engine API: attach before the start misses nothing")
    func attachesBeforeTheStart() async throws {
        try await EngineFixture.with("attach") { fixture in
            let id = try await fixture.create(["cat"]) {
                $0.configuration.openStdin = true
                $0.configuration.stdinOnce = true
            }
            let stream = try await fixture.engine.attach(id, hasInput: true)
            let end = try await fixture.engine.wait(for: id, condition: .nextExit)
            try await fixture.engine.startContainer(id)
            try await stream.write(Array("echo me\n".utf8))
            await stream.closeInput()
            var output: [UInt8] = []
            while let frame = try await stream.read() { if case .output(let bytes) = frame { output += bytes } }
            #expect(String(decoding: output, as: UTF8.self) == "echo me\n")
            #expect(try await end.result().exitCode == 0)
        }
    }

    @Test func removesItselfAtItsEnd() async throws {
        try await EngineFixture.with("rm") { fixture in
            let id = try await fixture.create(["sh", "-c", "exit 4"]) {
                $0.host.autoRemove = true
                $0.configuration.volumes = ["/anonymous": [:]]
            }
            #expect(await fixture.engine.volumes().count == 1)
            let removed = try await fixture.engine.wait(for: id, condition: .removed)
            try await fixture.engine.startContainer(id)
            #expect(try await removed.result().exitCode == 4)
            #expect(await fixture.engine.containers().isEmpty)
            #expect(await fixture.engine.volumes().isEmpty)
            #expect(!Files.exists(fixture.engine.paths(of: id).directory))
            #expect(try await fixture.engine.dataplane.sandboxes() == [])
        }
    }

    @Test func volumesKeepAndBegin() async throws {
        try await EngineFixture.with("volumes") { fixture in
            let (code, output) = try await fixture.run(["sh", "-c", "cat /data/seed; echo more >/data/more"]) {
                $0.host.binds = ["store:/data"]
            }
            #expect(code == 0)
            #expect(output == "from the image\n")
            let program = "exec 2>/dev/null; cat /mnt/seed /mnt/more; echo x >/mnt/x"
            let again = try await fixture.run(["sh", "-c", program]) {
                $0.host.binds = ["store:/mnt:ro"]
            }
            #expect(again.output == "from the image\nmore\n")
            #expect(again.code != 0)
            let error = await fixture.refusal { try await fixture.engine.removeVolume("store") }
            #expect(error?.kind == .conflict)
            let bind = fixture.directory.path("shared")
            try Files.makeDirectories(bind)
            try Files.write(bind + "/file", "of the host\n")
            let bound = try await fixture.run(["sh", "-c", "cat /b/file; mount | grep ' /t '"]) {
                $0.host.mounts = [
                    MountSpecification(type: .bind, source: bind, target: "/b", readOnly: true),
                    MountSpecification(type: .tmpfs, source: "", target: "/t"),
                ]
            }
            #expect(bound.output.contains("of the host\n"))
            #expect(bound.output.contains("tmpfs on /t"))
        }
    }

    @Test("Docker: events of images; layers that go have none")
    func imagesTell() async throws {
        try await EngineFixture.with("images") { fixture in
            let engine = fixture.engine
            let id = try #require(engine.images.images().first).id.description
            let events = engine.events.subscribe()
            try await engine.tagImage("busybox", as: "other:1")
            let users = try await fixture.create(["true"], name: "user")
            #expect(try await engine.removeImage("other:1").map(\.untagged) == ["other:1"])
            #expect(await fixture.refusal { _ = try await engine.removeImage("busybox") }?.kind == .conflict)
            #expect(await fixture.refusal { _ = try await engine.removeImage("absent") }?.kind == .notFound)
            let unused = ObjectFilters(values: ["dangling": ["false"]])
            #expect(try await engine.pruneImages(unused).removals.isEmpty)
            try await engine.removeContainer(users)
            let pruned = try await engine.pruneImages(unused).removals
            #expect(pruned.count == 3, "a name, an image and a layer: \(pruned)")
            var told: [String] = []
            for await event in events where event.kind == .image {
                #expect(event.id == id)
                #expect(event.attributes["image"] == "label")
                told.append("\(event.action) \(event.attributes["name"] ?? "")")
                if event.action == "delete" { break }
            }
            #expect(told == ["tag other:1", "untag other:1", "untag busybox:latest", "delete \(id)"])
        }
    }

    @Test func healthFollowsTheProbe() async throws {
        try await EngineFixture.with("health") { fixture in
            let events = fixture.engine.events.subscribe()
            let id = try await fixture.start(["sleep", "60"]) {
                $0.configuration.healthcheck = HealthConfiguration(
                    test: ["CMD-SHELL", "cat /tmp/ok"], interval: 50_000_000, timeout: 5_000_000_000, retries: 2)
            }
            var seen: [String] = []
            for await event in events where event.id == id && event.action.hasPrefix("health_status") {
                seen.append(event.action)
                if seen.count == 1 { _ = try await fixture.exec(id, ["touch", "/tmp/ok"]) }
                if seen.count == 2 { break }
            }
            #expect(seen == ["health_status: unhealthy", "health_status: healthy"])
            let health = try #require(try await fixture.engine.container(id).state.health)
            #expect(health.status == .healthy)
            #expect(health.log.count <= HealthState.keptResults)
        }
    }

    @Test func restartsByPolicy() async throws {
        try await EngineFixture.with("policy") { fixture in
            let id = try await fixture.start(["sh", "-c", "echo run; exit 1"]) {
                $0.host.restartPolicy = RestartPolicy(name: .onFailure, maximumRetryCount: 2)
            }
            try await waitUntil("two restarts, then the end") {
                let state = try await fixture.engine.container(id).state
                return state.status == .exited && state.restartCount == 2
            }
            #expect(try await fixture.logs(id) == "run\nrun\nrun\n")
        }
    }

    @Test func followsAndTailsLogs() async throws {
        try await EngineFixture.with("logs") { fixture in
            let id = try await fixture.start(
                ["sh", "-c", "for i in 1 2 3 4 5; do echo line $i; done; cat; echo last"]
            ) {
                $0.configuration.openStdin = true
                $0.configuration.stdinOnce = true
            }
            let input = try await fixture.engine.attach(id, hasInput: true)
            var options = LogOptions()
            options.tail = 2
            try await waitUntil("five lines are written") {
                try await fixture.logs(id).contains("line 5")
            }
            #expect(try await fixture.logs(id, options) == "line 4\nline 5\n")
            options.follow = true
            var text = ""
            for try await line in try await fixture.engine.logs(id, options) {
                text += String(decoding: line.bytes, as: UTF8.self)
                guard text.hasSuffix("line 5\n") else { continue }
                try await input.write(Array("typed\n".utf8))
                await input.closeInput()
            }
            #expect(text == "line 4\nline 5\ntyped\nlast\n")
        }
    }

    @Test func publishesPorts() async throws {
        try await EngineFixture.with("ports") { fixture in
            let id = try await fixture.start(["httpd", "-f", "-p", "80", "-h", "/www"]) {
                $0.host.portBindings = ["80/tcp": [PortBinding(hostIp: "", hostPort: "8080")]]
            }
            let record = try await fixture.engine.container(id)
            #expect(record.ports.map(\.hostPort) == [8080])
            let address = try #require(record.endpoints["bridge"]?.ipAddress)
            try await waitUntil("the page is served") {
                try await fixture.onHost(["busybox", "wget", "-qO-", "http://\(address):80/"]).succeeded
            }
            let page = try await fixture.onHost(["busybox", "wget", "-qO-", "http://127.0.0.1:8080/"])
            #expect(page.output == "hello from the page\n")
            let error = await fixture.refusal {
                _ = try await fixture.start(["true"]) {
                    $0.host.portBindings = ["80/tcp": [PortBinding(hostIp: "", hostPort: "8080")]]
                }
            }
            #expect(error?.message.hasSuffix("Bind for 0.0.0.0:8080 failed: port is already allocated") == true)
            try await fixture.engine.removeContainer(id, force: true)
            let other = try await fixture.start(["httpd", "-f", "-p", "80", "-h", "/www"]) {
                $0.host.portBindings = ["80/tcp": [PortBinding(hostIp: "", hostPort: "8080")]]
            }
            #expect(try await fixture.engine.container(other).ports.map(\.hostPort) == [8080])
        }
    }

    @Test func restartOfTheEngineAdoptsWhatRuns() async throws {
        try await EngineFixture.with("adopt") { fixture in
            let id = try await fixture.start(["sleep", "60"], name: "kept") {
                $0.host.portBindings = ["80/tcp": [PortBinding(hostIp: "", hostPort: "8080")]]
            }
            let signal = fixture.directory.path("signal")
            let short = try await fixture.start(["sh", "-c", "while [ ! -e /s/go ]; do sleep 0.02; done; exit 9"]) {
                $0.host.binds = [signal + ":/s"]
            }
            let before = try await fixture.engine.container("kept")
            await fixture.engine.shutdown()
            // It ends while no engine is there.
            try Files.write(signal + "/go", "")
            let exit = "\(fixture.configuration.dataDirectory)/containers/\(short)/\(ShimFiles.exit)"
            try await waitUntil("its shim has noted the end") { Files.exists(exit) }
            try await fixture.restart()
            let after = try await fixture.engine.container("kept")
            #expect(after.state.pid == before.state.pid)
            #expect(after.state.status == .running)
            #expect(after.endpoints == before.endpoints)
            let error = await fixture.refusal {
                _ = try await fixture.start(["true"]) {
                    $0.host.portBindings = ["80/tcp": [PortBinding(hostIp: "", hostPort: "8080")]]
                }
            }
            #expect(error?.message.hasSuffix("port is already allocated") == true)
            #expect(try await fixture.exec(id, ["echo", "alive"]).output == "alive\n")
            #expect(try await fixture.engine.wait(for: short).result().exitCode == 9)
            try await fixture.engine.stopContainer(id, timeoutSeconds: 0)
            #expect(try await fixture.engine.container(id).state.exitCode == 137)
        }
    }

    @Test func pausesUpdatesAndTells() async throws {
        try await EngineFixture.with("pause") { fixture in
            let engine = fixture.engine
            let id = try await fixture.start(["sleep", "60"], name: "one")
            try await engine.pauseContainer(id)
            #expect(try await engine.container(id).state.status == .paused)
            let error = await fixture.refusal { _ = try await engine.createExec(id, ExecConfiguration()) }
            #expect(error?.message == "container \(id) is paused, unpause the container before exec")
            try await engine.unpauseContainer(id)
            try await engine.renameContainer(id, to: "two")
            #expect(try await engine.container("two").id == id)
            var update = ContainerUpdate()
            update.memory = 64 << 20
            update.memorySwap = 64 << 20
            _ = try await engine.updateContainer(id, update)
            let statistics = try await engine.statistics(of: id)
            #expect(statistics.pids == 1)
            #expect(statistics.memoryLimit == 64 << 20)
            #expect(statistics.interfaces.map(\.name) == ["eth0"])
            #expect(try await engine.top(id).processes.count == 1)
            let actions = engine.events.subscribe(since: .epoch)
            try await engine.removeContainer(id, force: true)
            var seen: [String] = []
            for await event in actions where event.kind == .container {
                seen.append(event.action)
                if event.action == "destroy" { break }
            }
            #expect(seen == ["create", "start", "pause", "unpause", "rename", "update", "kill", "die", "destroy"])
        }
    }
}
