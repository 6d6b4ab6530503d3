import EngineModel
import JSON
import Values

/// Containers as the Engine API shows them.
enum ContainerShapes {
    /// What an inspection shows beside the record.
    struct Surroundings {
        var execs: [String] = []
        var hostnamePath = ""
        var hostsPath = ""
        var resolverPath = ""
        var logPath = ""
        var upper = ""
        var work = ""
        var merged = ""
        var sandboxPath = ""
        /// Bytes: the writable layer, and with the image; nil where they were not asked for.
        var writableBytes: Int64?
        var totalBytes: Int64?
    }

    /// Engine API: ContainerInspectResponse.
    static func inspection(_ record: ContainerRecord, _ around: Surroundings) throws -> JSONValue {
        let command = record.command
        var value: JSONValue = [
            "Id": .string(record.id), "Created": .string(record.createdAt.description),
            "Path": .string(command.first ?? ""), "Args": .array(command.dropFirst().map { .string($0) }),
            "State": state(record.state), "Image": .string(record.imageID), "Name": .string("/" + record.name),
            "ResolvConfPath": .string(around.resolverPath), "HostnamePath": .string(around.hostnamePath),
            "HostsPath": .string(around.hostsPath), "LogPath": .string(around.logPath),
            "RestartCount": .integer(Int64(record.state.restartCount)), "Driver": "overlay2", "Platform": "linux",
            "MountLabel": "", "ProcessLabel": "", "AppArmorProfile": "",
            "ExecIDs": around.execs.isEmpty ? .null : .array(around.execs.map { .string($0) }),
            "HostConfig": try hostConfiguration(record.host), "Config": try configuration(record.configuration),
            "Mounts": try mounts(record), "NetworkSettings": try networkSettings(record, around.sandboxPath),
            "GraphDriver": [
                "Name": "overlay2",
                "Data": [
                    "LowerDir": .string(record.layers.joined(separator: ":")), "UpperDir": .string(around.upper),
                    "WorkDir": .string(around.work), "MergedDir": .string(around.merged),
                ],
            ],
        ]
        if let bytes = around.writableBytes { value["SizeRw"] = .integer(bytes) }
        if let bytes = around.totalBytes { value["SizeRootFs"] = .integer(bytes) }
        return value
    }

    /// Engine API: ContainerState.
    static func state(_ state: ContainerState) -> JSONValue {
        func time(_ moment: Timestamp?) -> JSONValue { .string(moment?.description ?? Timestamp.zeroText) }
        var value: JSONValue = [
            "Status": .string(state.status.rawValue), "Running": .bool(state.isRunning || state.status == .restarting),
            "Paused": .bool(state.status == .paused), "Restarting": .bool(state.status == .restarting),
            "OOMKilled": .bool(state.oomKilled), "Dead": .bool(state.status == .dead),
            "Pid": .integer(Int64(state.pid)), "ExitCode": .integer(Int64(state.exitCode)),
            "Error": .string(state.error), "StartedAt": time(state.startedAt), "FinishedAt": time(state.finishedAt),
        ]
        if let health = state.health {
            value["Health"] = [
                "Status": .string(health.status.rawValue), "FailingStreak": .integer(Int64(health.failingStreak)),
                "Log": .array(
                    health.log.map { result in
                        [
                            "Start": .string(result.start.description), "End": .string(result.end.description),
                            "ExitCode": .integer(Int64(result.exitCode)), "Output": .string(result.output),
                        ]
                    }),
            ]
        }
        return value
    }

    /// Engine API: ContainerConfig.
    static func configuration(_ configuration: ContainerConfiguration) throws -> JSONValue {
        let standard: JSONValue = ["Cmd": nil, "Entrypoint": nil, "Volumes": nil, "OnBuild": nil]
        return standard.overlaid(with: try JSONCoding.docker.value(of: configuration))
    }

    /// Members that clients read of every HostConfig.
    private static let hostDefaults: JSONValue = [
        "Binds": nil, "ContainerIDFile": "", "VolumeDriver": "", "VolumesFrom": nil, "ConsoleSize": [0, 0],
        "CapAdd": nil, "CapDrop": nil, "Dns": [], "DnsOptions": [], "DnsSearch": [], "ExtraHosts": nil,
        "GroupAdd": nil, "Cgroup": "", "Links": nil, "SecurityOpt": nil, "UsernsMode": "", "Runtime": "martlet",
        "Isolation": "", "CgroupParent": "", "BlkioWeight": 0, "BlkioWeightDevice": [], "BlkioDeviceReadBps": [],
        "BlkioDeviceWriteBps": [], "BlkioDeviceReadIOps": [], "BlkioDeviceWriteIOps": [], "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0, "CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0, "IOMaximumBandwidth": 0,
        "Devices": [], "DeviceCgroupRules": nil, "DeviceRequests": nil, "MemorySwappiness": nil,
        "OomKillDisable": nil, "PidsLimit": nil, "Ulimits": nil, "PortBindings": [:],
        "RestartPolicy": ["Name": "no", "MaximumRetryCount": 0], "LogConfig": ["Type": "json-file", "Config": [:]],
        "MaskedPaths": nil, "ReadonlyPaths": nil,
    ]

    /// Engine API: HostConfig.
    static func hostConfiguration(_ host: HostConfiguration) throws -> JSONValue {
        hostDefaults.overlaid(with: try JSONCoding.docker.value(of: host))
    }

    /// Engine API: MountPoint.
    static func mounts(_ record: ContainerRecord) throws -> JSONValue {
        .array(
            record.mounts.map { mount in
                var value: JSONValue = [
                    "Type": .string(mount.type.rawValue), "Source": .string(mount.source),
                    "Destination": .string(mount.destination), "Mode": .string(mount.mode), "RW": .bool(mount.rw),
                    "Propagation": .string(mount.propagation),
                ]
                if let name = mount.name { value["Name"] = .string(name) }
                if let driver = mount.driver { value["Driver"] = .string(driver) }
                return value
            })
    }

    /// Engine API: NetworkSettings.
    static func networkSettings(_ record: ContainerRecord, _ sandboxPath: String) throws -> JSONValue {
        let isRunning = record.state.isRunning
        let first = record.endpoints["bridge"]
        return [
            "Bridge": "", "SandboxID": .string(isRunning ? record.id : ""),
            "SandboxKey": .string(isRunning ? sandboxPath : ""), "Ports": isRunning ? portMap(record) : [:],
            "HairpinMode": false, "LinkLocalIPv6Address": "", "LinkLocalIPv6PrefixLen": 0,
            "SecondaryIPAddresses": nil, "SecondaryIPv6Addresses": nil,
            "EndpointID": .string(first?.endpointID ?? ""), "Gateway": .string(first?.gateway ?? ""),
            "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "IPAddress": .string(first?.ipAddress ?? ""),
            "IPPrefixLen": .integer(Int64(first?.ipPrefixLen ?? 0)), "IPv6Gateway": "",
            "MacAddress": .string(first?.macAddress ?? ""), "Networks": try networks(record),
        ]
    }

    /// Engine API: EndpointSettings, by network.
    static func networks(_ record: ContainerRecord) throws -> JSONValue {
        let standard: JSONValue = [
            "IPAMConfig": nil, "Links": nil, "Aliases": nil, "MacAddress": "", "DriverOpts": nil, "GwPriority": 0,
            "NetworkID": "", "EndpointID": "", "Gateway": "", "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "",
            "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "DNSNames": nil,
        ]
        return .object(
            try record.endpoints.mapValues { endpoint in
                var value = standard.overlaid(with: try JSONCoding.docker.value(of: endpoint))
                value["ChosenMACAddress"] = nil
                if let chosen = endpoint.chosenMACAddress { value["MacAddress"] = .string(chosen) }
                return value
            })
    }

    /// Bindings by container port; null for an exposed port without one.
    private static func portMap(_ record: ContainerRecord) -> JSONValue {
        var map: [String: [JSONValue]] = [:]
        for port in record.ports {
            map["\(port.containerPort)/\(port.transport)", default: []].append([
                "HostIp": .string(port.hostAddress?.description ?? "0.0.0.0"),
                "HostPort": .string(String(port.hostPort)),
            ])
        }
        var value = map.mapValues { JSONValue.array($0) }
        for text in (record.configuration.exposedPorts ?? [:]).keys {
            if let key = PortKey(text), value[key.description] == nil { value[key.description] = .null }
        }
        return .object(value)
    }

    /// Engine API: Port, of a list's entry.
    static func ports(_ record: ContainerRecord) -> JSONValue {
        guard record.state.isRunning else { return [] }
        var published: Set<PortKey> = []
        var ports: [JSONValue] = record.ports.map { port in
            published.insert(PortKey(port: port.containerPort, transport: port.transport))
            return [
                "IP": .string(port.hostAddress?.description ?? "0.0.0.0"),
                "PrivatePort": .integer(Int64(port.containerPort)), "PublicPort": .integer(Int64(port.hostPort)),
                "Type": .string(port.transport),
            ]
        }
        for text in (record.configuration.exposedPorts ?? [:]).keys.sorted() {
            guard let key = PortKey(text), !published.contains(key) else { continue }
            ports.append(["PrivatePort": .integer(Int64(key.port)), "Type": .string(key.transport)])
        }
        return .array(ports)
    }

    /// Engine API: ContainerSummary.
    static func summary(
        _ record: ContainerRecord, now: Timestamp, writableBytes: Int64? = nil, totalBytes: Int64? = nil
    ) throws -> JSONValue {
        var value: JSONValue = [
            "Id": .string(record.id), "Names": [.string("/" + record.name)],
            "Image": .string(record.configuration.image), "ImageID": .string(record.imageID),
            "Command": .string(
                record.command.enumerated().map { index, word in
                    index > 0 && word.contains(" ") ? "'\(word)'" : word
                }.joined(separator: " ")),
            "Created": .integer(record.createdAt.secondsSinceEpoch), "Ports": ports(record),
            "Labels": .object(record.configuration.labels.mapValues { .string($0) }),
            "State": .string(record.state.status.rawValue), "Status": .string(HumanText.status(record.state, now: now)),
            "HostConfig": ["NetworkMode": .string(record.host.networkMode)],
            "NetworkSettings": ["Networks": try networks(record)], "Mounts": try mounts(record),
        ]
        if let writableBytes { value["SizeRw"] = .integer(writableBytes) }
        if let totalBytes { value["SizeRootFs"] = .integer(totalBytes) }
        return value
    }
}

extension JSONValue {
    /// This object with the members of `other` over its own; null members of `other` count.
    func overlaid(with other: JSONValue) -> JSONValue {
        guard case .object(let own) = self, case .object(let others) = other else { return other }
        return .object(own.merging(others) { _, other in other })
    }

    /// A list of texts.
    static func strings(_ texts: some Sequence<String>) -> JSONValue { .array(texts.map { .string($0) }) }

    /// An object of texts.
    static func texts(_ texts: [String: String]) -> JSONValue { .object(texts.mapValues { .string($0) }) }
}
