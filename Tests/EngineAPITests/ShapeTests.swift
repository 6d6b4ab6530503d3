import ClusterModel
import Engine
import EngineModel
import JSON
import Testing
import Values

@testable import EngineAPI

/// The JSON that docker CLI 28.2 and docker-py 7.1 read (Engine API 1.51).
@Suite struct ShapeTests {
    static let start = Timestamp(rfc3339: "2026-03-01T12:00:00.5Z")!

    static func record() -> ContainerRecord {
        var configuration = ContainerConfiguration()
        configuration.hostname = "web"
        configuration.image = "busybox:latest"
        configuration.env = ["A=b"]
        configuration.entrypoint = ["httpd"]
        configuration.cmd = ["-f", "-h", "/a b"]
        configuration.exposedPorts = ["80/tcp": [:], "53/udp": [:]]
        configuration.labels = ["tier": "front"]
        configuration.tty = true
        var host = HostConfiguration()
        host.networkMode = "bridge"
        host.memory = 64 << 20
        host.portBindings = ["80/tcp": [PortBinding(hostPort: "8080")]]
        host.restartPolicy = RestartPolicy(name: .unlessStopped)
        var endpoint = EndpointSettings()
        endpoint.networkID = "net1"
        endpoint.ipAddress = "172.17.0.2"
        endpoint.ipPrefixLen = 16
        endpoint.gateway = "172.17.0.1"
        endpoint.macAddress = "02:42:ac:11:00:02"
        var record = ContainerRecord(
            id: String(repeating: "a", count: 64), name: "web", createdAt: start, configuration: configuration,
            host: host, imageID: "sha256:" + String(repeating: "b", count: 64), layers: ["/l/2", "/l/1"],
            endpoints: ["bridge": endpoint],
            mounts: [MountPoint(type: .volume, name: "data", source: "/v/data/_data", destination: "/data")])
        record.state.status = .running
        record.state.pid = 42
        record.state.startedAt = start
        record.state.health = HealthState()
        record.state.health?.status = .healthy
        record.ports = [
            PublishedBinding(hostAddress: nil, hostPort: 8080, containerPort: 80, transport: "tcp")
        ]
        return record
    }

    @Test func inspection() throws {
        var around = ContainerShapes.Surroundings(execs: ["e1"], logPath: "/log")
        around.sandboxPath = "/run/netns/a"
        let value = try ContainerShapes.inspection(Self.record(), around)
        #expect(value["Id"]?.string?.count == 64)
        #expect(value["Name"] == "/web")
        #expect(value["Created"] == "2026-03-01T12:00:00.5Z")
        #expect(value["Path"] == "httpd")
        #expect(value["Args"] == ["-f", "-h", "/a b"])
        #expect(value["State"]?["Status"] == "running")
        #expect(value["State"]?["Running"] == true)
        #expect(value["State"]?["Pid"] == 42)
        #expect(value["State"]?["FinishedAt"] == "0001-01-01T00:00:00Z")
        #expect(value["State"]?["Health"] == ["Status": "healthy", "FailingStreak": 0, "Log": []])
        #expect(value["Config"]?["Tty"] == true)
        #expect(value["Config"]?["Image"] == "busybox:latest")
        #expect(value["Config"]?["Env"] == ["A=b"])
        #expect(value["Config"]?["Cmd"] == ["-f", "-h", "/a b"])
        #expect(value["HostConfig"]?["NetworkMode"] == "bridge")
        #expect(value["HostConfig"]?["Memory"] == 67_108_864)
        #expect(value["HostConfig"]?["RestartPolicy"] == ["Name": "unless-stopped", "MaximumRetryCount": 0])
        #expect(value["HostConfig"]?["LogConfig"]?["Type"] == "json-file")
        #expect(value["NetworkSettings"]?["SandboxKey"] == "/run/netns/a")
        #expect(
            value["NetworkSettings"]?["Ports"]
                == ["80/tcp": [["HostIp": "0.0.0.0", "HostPort": "8080"]], "53/udp": nil])
        #expect(value["NetworkSettings"]?["IPAddress"] == "172.17.0.2")
        #expect(value["NetworkSettings"]?["Networks"]?["bridge"]?["IPPrefixLen"] == 16)
        #expect(value["NetworkSettings"]?["Networks"]?["bridge"]?["MacAddress"] == "02:42:ac:11:00:02")
        #expect(
            value["Mounts"]?[0]
                == [
                    "Type": "volume", "Name": "data", "Source": "/v/data/_data", "Destination": "/data",
                    "Driver": "local", "Mode": "", "RW": true, "Propagation": "",
                ])
        #expect(value["GraphDriver"]?["Data"]?["LowerDir"] == "/l/2:/l/1")
        #expect(value["ExecIDs"] == ["e1"])
        #expect(value["SizeRw"] == nil)
    }

    @Test func summary() throws {
        let now = Self.start.advanced(byNanoseconds: 3_500_000_000)
        let value = try ContainerShapes.summary(Self.record(), now: now, writableBytes: 5, totalBytes: 7)
        #expect(value["Names"] == ["/web"])
        #expect(value["Command"] == "httpd -f -h '/a b'")
        #expect(value["Created"]?.integer == Self.start.secondsSinceEpoch)
        #expect(value["Status"] == "Up 3 seconds (healthy)")
        #expect(value["State"] == "running")
        #expect(
            value["Ports"]
                == [
                    ["IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"],
                    ["PrivatePort": 53, "Type": "udp"],
                ])
        #expect(value["NetworkSettings"]?["Networks"]?["bridge"]?["NetworkID"] == "net1")
        #expect(value["SizeRw"] == 5)
        #expect(value["SizeRootFs"] == 7)
    }

    @Test func statusTexts() {
        var state = ContainerState()
        let now = Self.start
        #expect(HumanText.status(state, now: now) == "Created")
        state.status = .exited
        state.exitCode = 137
        state.finishedAt = now.advanced(byNanoseconds: -300_000_000_000)
        #expect(HumanText.status(state, now: now) == "Exited (137) 5 minutes ago")
        state.status = .paused
        state.startedAt = now.advanced(byNanoseconds: -7_200_000_000_000)
        #expect(HumanText.status(state, now: now) == "Up 2 hours (Paused)")
    }

    /// go-units: HumanDuration counts whole minutes and rounds hours.
    @Test(arguments: [
        (0, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"), (1799, "29 minutes"),
        (3599, "59 minutes"), (3600, "About an hour"), (172_800, "2 days"), (1_209_600, "2 weeks"),
        (5_184_000, "2 months"), (63_072_000, "2 years"),
    ])
    func durations(_ seconds: Int64, _ text: String) {
        #expect(HumanDuration.text(nanoseconds: seconds * 1_000_000_000) == text)
    }

    @Test func networks() {
        let record = NetworkRecord(
            id: "n1", name: "back", createdAt: Self.start, driver: "overlay", scope: "swarm",
            subnet: CIDR("10.0.1.0/24"), gateway: IPAddress("10.0.1.1"), isAttachable: true, vni: 4097)
        let value = NetworkShapes.network(record, members: [])
        #expect(value["IPAM"]?["Config"] == [["Subnet": "10.0.1.0/24", "Gateway": "10.0.1.1"]])
        #expect(value["Attachable"] == true)
        #expect(value["Ingress"] == false)
        #expect(value["Options"]?["com.docker.network.driver.overlay.vxlanid_list"] == "4097")
        #expect(value["Containers"] == [:])
    }

    @Test func services() throws {
        let document: JSONValue = ["Name": "web", "Future": "kept", "TaskTemplate": ["ContainerSpec": ["Image": "x"]]]
        var service = ServiceObject(
            id: "s1", createdAt: Self.start,
            spec: ServiceSpec(
                name: "web", taskTemplate: TaskTemplate(containerSpec: ContainerSpec(image: "x")), mode: .replicas(3)),
            document: document,
            endpoint: ServiceEndpoint(
                ports: [PortConfiguration(targetPort: 80, publishedPort: 8080)],
                virtualIPs: [VirtualAddress(networkID: "n1", addr: CIDR("10.0.1.2/24")!)]))
        service.version = ObjectVersion(index: 12)
        service.updateStatus = UpdateStatus(state: .rollbackCompleted, startedAt: Self.start, message: "m")
        let value = try ClusterShapes.service(service, status: ClusterShapes.serviceStatus(service, ClusterState()))
        #expect(value["ID"] == "s1")
        #expect(value["Version"] == ["Index": 12])
        #expect(value["Spec"]?["Future"] == "kept")
        #expect(value["Endpoint"]?["VirtualIPs"] == [["NetworkID": "n1", "Addr": "10.0.1.2/24"]])
        #expect(value["Endpoint"]?["Ports"]?[0]?["PublishedPort"] == 8080)
        #expect(value["Endpoint"]?["Ports"]?[0]?["PublishMode"] == "ingress")
        #expect(value["UpdateStatus"]?["State"] == "rollback_completed")
        #expect(value["ServiceStatus"] == ["RunningTasks": 0, "DesiredTasks": 3, "CompletedTasks": 0])
    }

    @Test func tasksAndNodes() throws {
        var task = TaskObject(
            id: "t1", createdAt: Self.start, serviceID: "s1", slot: 2, nodeID: "n1",
            spec: TaskTemplate(containerSpec: ContainerSpec(image: "x")), specVersion: 1)
        task.desiredState = .withdrawn
        task.status.state = .failed
        task.status.err = "task: non-zero exit (1)"
        task.status.containerStatus = TaskStatus.Container(containerID: "c1", pid: 7, exitCode: 1)
        let value = try ClusterShapes.task(task, ClusterState())
        #expect(value["DesiredState"] == "shutdown")
        #expect(value["Slot"] == 2)
        #expect(value["Status"]?["State"] == "failed")
        #expect(value["Status"]?["Err"] == "task: non-zero exit (1)")
        #expect(value["Status"]?["ContainerStatus"] == ["ContainerID": "c1", "PID": 7, "ExitCode": 1])
        #expect(value["Spec"]?["ContainerSpec"]?["Image"] == "x")
        let node = NodeObject(
            id: "n1", createdAt: Self.start, spec: NodeSpec(role: .worker),
            description: NodeDescription(
                hostname: "h1", platform: .init(architecture: "x86_64"),
                resources: .init(nanoCPUs: 2_000_000_000, memoryBytes: 1), engine: .init(engineVersion: "1")),
            status: NodeStatus(state: .ready, addr: "10.0.0.1"), clusterAddress: "10.0.0.1:2377")
        let shown = try ClusterShapes.node(node, manager: nil, rootCertificate: "PEM")
        #expect(shown["Description"]?["Platform"] == ["Architecture": "x86_64", "OS": "linux"])
        #expect(shown["Description"]?["Resources"] == ["NanoCPUs": 2_000_000_000, "MemoryBytes": 1])
        #expect(shown["Spec"]?["Role"] == "worker")
        #expect(shown["Status"]?["Addr"] == "10.0.0.1")
        #expect(shown["ManagerStatus"] == nil)
    }
}
