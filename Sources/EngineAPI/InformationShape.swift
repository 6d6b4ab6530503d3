import ClusterManager
import ClusterModel
import Engine
import JSON

/// The host's facts as `docker info` reads them.
enum InformationShape {
    /// Engine API: SystemInfo.
    static func value(
        _ host: HostInformation, configuration: EngineConfiguration, swarm: JSONValue
    ) -> JSONValue {
        let labels = configuration.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let pools: [JSONValue] = configuration.addressPools.map { pool in
            ["Base": .string(pool.base.description), "Size": .integer(Int64(pool.prefixLength))]
        }
        let facts: JSONValue = [
            "ID": .string(host.id), "Containers": .integer(Int64(host.containers)),
            "ContainersRunning": .integer(Int64(host.running)), "ContainersPaused": .integer(Int64(host.paused)),
            "ContainersStopped": .integer(Int64(host.stopped)), "Images": .integer(Int64(host.images)),
            "SystemTime": .string(host.systemTime.description), "KernelVersion": .string(host.kernelVersion),
            "OperatingSystem": .string(host.operatingSystem), "OSVersion": .string(host.osVersion),
            "Architecture": .string(host.architecture), "NCPU": .integer(Int64(host.cpus)),
            "MemTotal": .integer(host.memoryBytes), "DockerRootDir": .string(configuration.dataDirectory),
            "Name": .string(host.hostname), "CgroupVersion": .string(String(host.cgroupVersion)),
            "Labels": .strings(labels),
            "ServerVersion": .string(ServerVersion.text), "Swarm": swarm,
            "DefaultAddressPools": .array(pools),
        ]
        return constants.overlaid(with: facts)
    }

    private static let constants: JSONValue = [
        "Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "overlayfs"]],
        "Plugins": [
            "Volume": ["local"], "Network": ["bridge", "host", "null", "overlay"], "Authorization": nil,
            "Log": ["json-file"],
        ],
        "MemoryLimit": true, "SwapLimit": true, "CpuCfsPeriod": true, "CpuCfsQuota": true, "CPUShares": true,
        "CPUSet": true, "PidsLimit": true, "IPv4Forwarding": true, "Debug": false, "NFd": 0, "OomKillDisable": false,
        "NGoroutines": 0, "LoggingDriver": "json-file", "CgroupDriver": "cgroupfs", "NEventsListener": 0,
        "OSType": "linux", "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": ["InsecureRegistryCIDRs": [], "IndexConfigs": [:], "Mirrors": []],
        "GenericResources": nil, "HttpProxy": "", "HttpsProxy": "", "NoProxy": "", "ExperimentalBuild": false,
        "Runtimes": ["martlet": ["path": "martlet-runtime"]], "DefaultRuntime": "martlet", "LiveRestoreEnabled": true,
        "Isolation": "", "InitBinary": "", "ContainerdCommit": ["ID": ""], "RuncCommit": ["ID": ""],
        "InitCommit": ["ID": ""], "SecurityOptions": ["name=seccomp,profile=builtin"], "Warnings": nil,
    ]

    /// Engine API: SwarmInfo.
    static func swarm(_ membership: SwarmMembership, _ state: ClusterState?) -> JSONValue {
        var value: JSONValue = [
            "NodeID": .string(membership.nodeID), "NodeAddr": .string(membership.nodeAddress),
            "LocalNodeState": .string(membership.state.rawValue),
            "ControlAvailable": .bool(membership.controlAvailable), "Error": .string(membership.error),
            "RemoteManagers": membership.managers.isEmpty
                ? .null
                : .array(
                    membership.managers.map { ["NodeID": .string($0.nodeID), "Addr": .string($0.address)] }),
        ]
        if let state, let object = state.cluster, membership.state == .active {
            value["Nodes"] = .integer(Int64(state.nodes.count))
            value["Managers"] = .integer(Int64(state.nodes.values.count { $0.spec.role == .manager }))
            value["Cluster"] = ClusterShapes.cluster(object)
        }
        return value
    }
}
