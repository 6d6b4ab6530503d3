import AgentModel
import ClusterModel
import EngineModel
import JSON
import SessionModel
import Testing
import Values

@Suite struct TaskContainerTests {
    private func assigned(_ change: (inout TaskTemplate) -> Void) -> AssignedTask {
        var template = TaskTemplate(containerSpec: ContainerSpec(image: "web:1"))
        change(&template)
        var task = TaskObject(
            id: "task", createdAt: .epoch, serviceID: "service", slot: 2, nodeID: "node", spec: template,
            specVersion: 1)
        task.attachments = [
            TaskAttachment(networkID: "w", address: CIDR("10.0.1.5/24")!, aliases: ["front"]),
            TaskAttachment(networkID: "i", address: CIDR("10.192.0.2/22")!),
        ]
        let ports = [
            PortConfiguration(targetPort: 80, publishedPort: 8080),
            PortConfiguration(targetPort: 53, publishedPort: 5353, publishMode: "host"),
        ]
        task.endpoint = ServiceEndpoint(spec: EndpointSpec(ports: ports))
        return AssignedTask(task: task, serviceName: "shop", serviceLabels: ["tier": "front"])
    }

    private let networks = [
        NetworkObject(
            id: "w", createdAt: .epoch, spec: .init(name: "web"), subnet: CIDR("10.0.1.0/24")!,
            gateway: IPAddress("10.0.1.1")!, vni: 4097),
        NetworkObject(
            id: "i", createdAt: .epoch, spec: .init(name: "ingress", isIngress: true), subnet: CIDR("10.192.0.0/10")!,
            gateway: IPAddress("10.192.0.1")!, vni: 4096),
    ]

    private func container(_ change: (inout TaskTemplate) -> Void = { _ in }) throws -> TaskContainer {
        try TaskContainer(assigned(change), nodeHostname: "h1", networks: networks)
    }

    @Test("Docker: service create, templates")
    func templates() throws {
        let container = try container {
            $0.containerSpec?.hostname = "{{.Service.Name}}-{{ .Task.Slot }}"
            $0.containerSpec?.env = [
                "WHERE={{.Node.Hostname}}/{{.Node.ID}}", "TIER={{.Service.Labels.tier}}", "PLAIN=x",
            ]
        }
        #expect(container.name == "shop.2.task")
        #expect(container.creation.configuration.hostname == "shop-2")
        #expect(container.creation.configuration.env == ["WHERE=h1/node", "TIER=front", "PLAIN=x"])
        #expect(container.creation.configuration.labels["com.docker.swarm.service.name"] == "shop")
    }

    @Test(arguments: ["{{.Nothing}}", "{{.Task.ID", "{{printf}}"])
    func unknownTemplatesAreRefused(text: String) {
        #expect(throws: EngineError.self) { try container { $0.containerSpec?.env = ["A=\(text)"] } }
    }

    @Test func placesAndPorts() throws {
        let container = try container()
        #expect(container.attachments.map(\.networkName) == ["web"], "the gateway is no network of the container")
        #expect(container.attachments.first?.aliases == ["front"])
        #expect(container.attachments.first?.mac == MACAddress("02:42:0a:00:01:05"))
        #expect(container.creation.host.networkMode == "web")
        #expect(container.creation.host.portBindings?.keys.sorted() == ["53/tcp"], "ingress ports are not the host's")
    }

    @Test func limitsAndHosts() throws {
        let container = try container {
            $0.resources = .init(
                limits: .init(nanoCPUs: 500_000_000, memoryBytes: 64 << 20, pids: 10),
                reservations: .init(memoryBytes: 32 << 20))
            $0.containerSpec?.hosts = ["10.0.0.1 one two", "", "10.0.0.2"]
            $0.containerSpec?.args = ["serve"]
            $0.containerSpec?.command = ["/bin/sh"]
        }
        let host = container.creation.host
        #expect(host.nanoCpus == 500_000_000)
        #expect(host.memory == 64 << 20)
        #expect(host.memoryReservation == 32 << 20)
        #expect(host.pidsLimit == 10)
        #expect(host.extraHosts == ["one:10.0.0.1", "two:10.0.0.1"])
        #expect(container.creation.configuration.cmd == ["serve"])
        #expect(container.creation.configuration.entrypoint == ["/bin/sh"])
    }

    @Test("Docker: service create, what a container is given")
    func everythingReachesTheContainer() throws {
        let body = #"""
            {"Image":"web:1","StopSignal":"SIGINT","ReadOnly":true,"User":"7:8","Dir":"/srv","Init":true,
             "CapabilityAdd":["CAP_NET_ADMIN"],"CapabilityDrop":["CAP_CHOWN"],
             "Healthcheck":{"Test":["CMD","true"],"Interval":9,"Timeout":8,"Retries":7,"StartPeriod":6,
              "StartInterval":5},
             "Mounts":[{"Type":"bind","Source":"/etc","Target":"/host","ReadOnly":true,
               "BindOptions":{"Propagation":"rslave"}},
              {"Type":"volume","Source":"data-{{.Task.Slot}}","Target":"/data",
               "VolumeOptions":{"NoCopy":true,"Labels":{"a":"b"}}},
              {"Type":"tmpfs","Target":"/scratch","TmpfsOptions":{"SizeBytes":65536,"Mode":448}}]}
            """#
        let spec = try JSONCoding.docker.decode(ContainerSpec.self, from: Array(body.utf8))
        let creation = try container { $0.containerSpec = spec }.creation
        #expect(creation.configuration.stopSignal == "SIGINT")
        #expect(creation.configuration.user == "7:8")
        #expect(creation.configuration.workingDir == "/srv")
        #expect(
            creation.configuration.healthcheck
                == HealthConfiguration(
                    test: ["CMD", "true"], interval: 9, timeout: 8, retries: 7, startPeriod: 6, startInterval: 5))
        #expect(creation.host.readonlyRootfs)
        #expect(creation.host.`init` == true)
        #expect(creation.host.capAdd == ["CAP_NET_ADMIN"])
        #expect(creation.host.capDrop == ["CAP_CHOWN"])
        let mounts = try #require(creation.host.mounts)
        #expect(mounts.map(\.type) == [.bind, .volume, .tmpfs])
        #expect(mounts.map(\.source) == ["/etc", "data-2", ""])
        #expect(mounts.map(\.target) == ["/host", "/data", "/scratch"])
        #expect(mounts.map(\.readOnly) == [true, false, false])
        #expect(mounts.first?.bindOptions?.propagation == "rslave")
        #expect(mounts[1].volumeOptions?.noCopy == true)
        #expect(mounts[1].volumeOptions?.labels == ["a": "b"])
        #expect(mounts.last?.tmpfsOptions?.sizeBytes == 65536)
        #expect(mounts.last?.tmpfsOptions?.mode == 0o700)
    }
}
