import JSON
import Lab
import TestSupport
import Testing
import Values

/// What `service create` says of a task's container, its end and its place reaches the kernel.
extension ClusterTests.Services {
    /// Says what it finds, then serves.
    private static let report = """
        echo user=$(id -u):$(id -g); echo directory=$(pwd); echo colour=$COLOUR; echo hostname=$(hostname)
        echo note=$(cat /host/note); echo from the container >/host/answer; echo volume=$(ls /www/cgi-bin)
        (echo x >/scratch/file) && echo scratch=written
        while read name value; do [ "$name" = CapBnd: ] && echo capabilities=$value; done </proc/self/status
        while read device path type options; do
            [ "$path" = /scratch ] && echo tmpfs=$type,$options; [ "$path" = / ] && echo root=${options%%,*}
        done </proc/mounts
        while read address names; do [ "$address" = 192.0.2.7 ] && echo hosts=$names; done </etc/hosts
        while read key words; do echo $key=$words; done </etc/resolv.conf
        cgroup=/sys/fs/cgroup
        if [ -e $cgroup/memory/memory.limit_in_bytes ]; then
            echo memory=$(cat $cgroup/memory/memory.limit_in_bytes); echo pids=$(cat $cgroup/pids/pids.max)
            echo cpu=$(cat $cgroup/cpu/cpu.cfs_quota_us) $(cat $cgroup/cpu/cpu.cfs_period_us)
        else
            echo memory=$(cat $cgroup/memory.max); echo pids=$(cat $cgroup/pids.max); echo cpu=$(cat $cgroup/cpu.max)
        fi
        [ $$ = 1 ] || echo init=$(cat /proc/1/comm)
        echo reported=yes
        exec serve
        """

    @Test("What a service says of its containers reaches them", arguments: ClusterClient.available)
    func containerFields(client: ClusterClient) async throws {
        let cluster = try Cluster.required()
        let name = "fields-\(client)"
        let port = client == .docker ? 9181 : 9182
        let startsFast = client.speaks(44, orElse: "--health-start-interval is unknown to it")
        let prepared = try await cluster.lab.exec(
            on: "h1", ["sh", "-c", "mkdir -p /tmp/\(name); chmod 777 /tmp/\(name); echo bound >/tmp/\(name)/note"])
        try #require(prepared.code == 0)
        try await cluster.output(
            client, on: "h2", "service", "create", "-d", "--name", name, "--constraint", "node.hostname==h1",
            "--network", "name=app,alias=other-\(client)", "--publish", "mode=host,published=\(port),target=8080",
            "--mount", "type=bind,source=/tmp/\(name),target=/host", "--mount", "source=\(name),target=/www",
            "--mount", "type=tmpfs,target=/scratch,tmpfs-size=1m,tmpfs-mode=1777", "--limit-memory", "48m",
            "--limit-pids", "60", "--limit-cpu", "0.5", "--hostname", "{{.Service.Name}}-{{.Task.Slot}}", "--user",
            "1000:50", "--workdir", "/www", "--env", "COLOUR=dark red", "--init", "--read-only", "--cap-drop",
            "NET_RAW", "--host", "files.example:192.0.2.7", "--dns", "192.0.2.53", "--dns-search", "example.test",
            "--dns-option", "ndots:3", "--health-cmd", "true", "--health-interval",
            startsFast ? "1m" : "1s", "--health-start-period", "30s",
            startsFast ? "--health-start-interval=200ms" : "--health-retries=3", "--label", "tier=front",
            "--container-label", "part=fields",
            "hello:v1", "sh", "-c", Self.report)
        // Ready at its first check after 200 ms, not after a minute.
        let task = try #require(try await cluster.waitForTasks(1, of: name).first)
        #expect(try await cluster.answer("h1", port: port).first == "v1", "the host's own port beside an overlay")
        for host in ["h2", "h3", "w1"] {
            #expect(try await cluster.ask("\(try cluster.lab.host(host).address)", port: port) == nil, "\(host)")
        }

        let words = try await cluster.output(client, on: "h1", "logs", task.containerID).split(separator: "\n")
        var found: [String: String] = [:]
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            found[parts[0]] = parts.count > 1 ? parts[1] : ""
        }
        let options = Set((found.removeValue(forKey: "tmpfs") ?? "").split { $0 == "," || $0 == " " })
        #expect(options.isSuperset(of: ["tmpfs", "size=1024k"]), "\(options)")
        let process = try #require(found["init"], "it is not process 1")
        #expect(process != "sh")
        let expected = [
            "user": "1000:50", "directory": "/www", "colour": "dark red", "hostname": "\(name)-1", "note": "bound",
            "volume": "hello", "root": "ro", "scratch": "written",
            // Docker's default capabilities without CAP_NET_RAW (bit 13).
            "capabilities": "00000000a80405fb", "hosts": "files.example", "nameserver": "127.0.0.11",
            "search": "example.test", "options": "ndots:3", "memory": "\(48 << 20)", "pids": "60",
            "cpu": "50000 100000", "reported": "yes",
        ]
        for (key, value) in expected { #expect(found[key] == value, "\(key)") }
        let answer = try await cluster.lab.exec(on: "h1", ["cat", "/tmp/\(name)/answer"])
        #expect(String(decoding: answer.output, as: UTF8.self) == "from the container\n")
        #expect(try await cluster.output(client, on: "h1", "volume", "ls", "-q").contains(name))

        let container = try await cluster.get("/containers/\(task.containerID)/json", on: "h1")
        let labels = container["Config"]?["Labels"]
        #expect(labels?["part"] == "fields" && labels?["tier"] == nil)
        #expect(labels?["com.docker.swarm.service.name"] == .string(name))
        #expect(container["HostConfig"]?["Dns"] == ["192.0.2.53"])
        let service = try await cluster.get("/services/\(name)", on: "h3")
        #expect(service["Spec"]?["Labels"]?["tier"] == "front")
        for check in [
            container["Config"]?["Healthcheck"],
            service["Spec"]?["TaskTemplate"]?["ContainerSpec"]?["Healthcheck"],
        ] {
            #expect(check?["StartPeriod"] == 30_000_000_000)
            if startsFast { #expect(check?["StartInterval"] == 200_000_000) }
        }

        // Its other name, from another host's container of the network.
        let asker = "asker-\(client)"
        try await cluster.output(
            client, "service", "create", "-d", "--name", asker, "--constraint", "node.hostname==w1", "--network", "app",
            "hello:v1")
        let other = try #require(try await cluster.waitForTasks(1, of: asker).first)
        for alias in [name, "other-\(client)"] {
            let text = try await cluster.output(
                client, on: "w1", "exec", other.containerID, "wget", "-q", "-O", "-",
                "http://\(alias):8080/cgi-bin/hello")
            #expect(text.hasPrefix("v1 \(name)-1 "), "\(alias): \(text)")
        }
        try await cluster.output(client, "service", "rm", asker, name)
        try await waitUntil("its container is gone") {
            try await !cluster.run(client, on: "h1", "inspect", task.containerID).succeeded
        }
        try await cluster.output(client, on: "h1", "volume", "rm", name)
    }

    @Test(
        "A task is asked to end with its service's signal, and killed after its grace period, not before",
        arguments: ClusterClient.available)
    func end(client: ClusterClient) async throws {
        let cluster = try Cluster.required()
        let wait = "while :; do sleep 0.1; done"
        // One ends as it was asked to, the other says that it was asked and stays.
        try await cluster.output(
            client, "service", "create", "-d", "--name", "asked", "--constraint", "node.hostname==h1",
            "--stop-signal", "USR1", "--stop-grace-period", "30s", "hello:v1", "sh", "-c",
            "trap 'exit 7' USR1; \(wait)")
        try await cluster.output(
            client, "service", "create", "-d", "--name", "deaf", "--constraint", "node.hostname==h1",
            "--stop-grace-period", "2s", "hello:v1", "sh", "-c", "trap 'echo asked' TERM; \(wait)")
        let asked = try #require(try await cluster.waitForTasks(1, of: "asked").first)
        let deaf = try #require(try await cluster.waitForTasks(1, of: "deaf").first)
        // The tasks that were stay as history.
        for name in ["asked", "deaf"] {
            try await cluster.output(client, "service", "update", "-d", "--force", name)
        }
        for task in [asked, deaf] {
            try await waitUntil("it has ended", within: .seconds(20)) {
                try await cluster.get("/tasks/\(task.id)")["Status"]?["State"]?.string == "shutdown"
            }
        }
        let status = try await cluster.get("/tasks/\(asked.id)")["Status"]
        #expect(status?["ContainerStatus"]?["ExitCode"] == 7)
        let ended = try await cluster.output(
            client, on: "h1", "inspect", "--format", "{{.State.ExitCode}}", asked.containerID)
        #expect(ended == "7")

        let state = try await cluster.get("/containers/\(deaf.containerID)/json", on: "h1")["State"]
        #expect(state?["ExitCode"] == 137)
        let log = try await cluster.output(client, on: "h1", "logs", "-t", deaf.containerID)
        let line = log.split(separator: " ")
        #expect(line.last == "asked")
        let moment = try #require(Timestamp(rfc3339: line.first ?? ""))
        let finished = try #require(Timestamp(rfc3339: state?["FinishedAt"]?.string ?? ""))
        // The shell notes the signal when its sleep is over; without a wish the grace period is 10 s.
        let grace = finished.nanoseconds(since: moment)
        #expect(grace > 1_000_000_000 && grace < 8_000_000_000, "\(grace)")
        for name in ["asked", "deaf"] {
            try await cluster.waitForTasks(1, of: name)
            try await cluster.output(client, "service", "rm", name)
        }
    }

    @Test("Reservations, a spread and a limit for each node say where tasks go", arguments: ClusterClient.available)
    func places(client: ClusterClient) async throws {
        let cluster = try Cluster.required()
        let resources = try await cluster.get("/nodes").array?.first?["Description"]?["Resources"]
        let memory = try #require(resources?["MemoryBytes"]?.integer) * 6 / 10
        let processors = Double(try #require(resources?["NanoCPUs"]?.integer)) * 0.6 / 1e9
        for (flag, value) in [("--reserve-memory", "\(memory)"), ("--reserve-cpu", "\(processors)")] {
            for name in ["first", "second"] {
                try await cluster.output(
                    client, "service", "create", "-d", "--name", name, flag, value, "--constraint",
                    "node.hostname==w1", "hello:v1")
                if name == "first" { try await cluster.waitForTasks(1, of: name) }
            }
            try await waitUntil("it says why it waits") {
                let tasks = try await cluster.tasks(of: "second")
                return tasks.map(\.state) == ["pending"]
                    && tasks.allSatisfy { $0.error.contains("insufficient resources on 1 node") }
            }
            try await cluster.output(client, "service", "rm", "first")
            try await cluster.waitForTasks(1, of: "second", where: { $0.node == "w1" })
            try await cluster.output(client, "service", "rm", "second")
        }

        // Zone a is h1, zone b the other two.
        try await cluster.output(
            client, "service", "create", "-d", "--name", "spread", "--replicas", "6", "--constraint",
            "node.role==manager", "--placement-pref", "spread=node.labels.zone", "hello:v1")
        let spread = try await cluster.waitForTasks(6, of: "spread")
        #expect(spread.count { $0.node == "h1" } == 3, "\(spread.map(\.node))")
        try await cluster.output(client, "service", "rm", "spread")

        try await cluster.output(
            client, "service", "create", "-d", "--name", "single", "--replicas", "5", "--replicas-max-per-node", "1",
            "hello:v1")
        let single = try await cluster.waitForTasks(4, of: "single")
        #expect(Set(single.map(\.node)).count == 4)
        let waiting = try await cluster.tasks(of: "single").filter { $0.state == "pending" }
        #expect(waiting.map(\.error) == ["no suitable node (max replicas per node limit exceed)"])
        try await cluster.output(client, "service", "rm", "single")
    }
}
