import EngineModel
import JSON
import Testing

/// What a container cannot have is refused; what clients send of everything is not.
@Suite struct UnsupportedSettingsTests {
    /// The body of `docker create busybox true`, as the docker CLI 28.2 sends it.
    private static let dockerClient = """
        {"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,
        "AttachStderr":true,"Tty":false,
        "OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":["true"],"Image":"busybox","Volumes":{},"WorkingDir":"",
        "Entrypoint":null,"OnBuild":null,"Labels":{},"HostConfig":{"Binds":null,
        "ContainerIDFile":"","LogConfig":{"Type":"",
        "Config":{}},"NetworkMode":"default","PortBindings":{},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},
        "AutoRemove":false,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[40,120],"CapAdd":null,"CapDrop":null,
        "CgroupnsMode":"","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"",
        "Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,
        "ReadonlyRootfs":false,"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,
        "Memory":0,"NanoCpus":0,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],
        "BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,
        "CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],
        "DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":-1,
        "OomKillDisable":false,"PidsLimit":0,"Ulimits":[],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,
        "IOMaximumBandwidth":0,"MaskedPaths":null,"ReadonlyPaths":null},
        "NetworkingConfig":{"EndpointsConfig":{"default":
        {"IPAMConfig":null,"Links":null,"Aliases":null,"MacAddress":"","DriverOpts":null,"GwPriority":0,"NetworkID":"",
        "EndpointID":"","Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"",
        "GlobalIPv6PrefixLen":0,"DNSNames":null}}}}
        """
    /// As docker-py 7.1 sends it.
    private static let dockerPy = """
        {"Hostname":null,"Domainname":null,"ExposedPorts":null,"User":null,"Tty":false,
        "OpenStdin":false,"StdinOnce":false,
        "AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Env":null,"Cmd":["true"],"Image":"busybox",
        "Volumes":null,"NetworkDisabled":false,"Entrypoint":null,"WorkingDir":null,
        "HostConfig":{"NetworkMode":"default"},
        "NetworkingConfig":null,"MacAddress":null,"Labels":null,"StopSignal":null,"Healthcheck":null,"StopTimeout":null,
        "Runtime":null}
        """

    @Test(arguments: [dockerClient, dockerPy])
    func whatClientsSendOfEverything(_ body: String) throws {
        let creation = try ContainerCreation(JSONValue(parsing: body))
        #expect(creation.configuration.image == "busybox")
        #expect(creation.host.networkMode == "default")
    }

    @Test(arguments: [
        #"{"UsernsMode":"host"}"#, #"{"Runtime":"martlet"}"#, #"{"Isolation":"default"}"#, #"{"VolumeDriver":"local"}"#,
        #"{"MemorySwappiness":null}"#, #"{"ContainerIDFile":"/tmp/id"}"#, #"{"StorageOpt":{}}"#, #"{"Links":[]}"#,
    ])
    func whatIsTheSameAnyway(_ host: String) throws {
        _ = try ContainerCreation(["Image": "x", "HostConfig": JSONValue(parsing: host)])
    }

    @Test(arguments: [
        (#"{"UsernsMode":"private"}"#, 400, "invalid user namespace mode"),
        (#"{"Runtime":"runsc"}"#, 400, "unknown or invalid runtime name (runsc)"),
        (#"{"Isolation":"hyperv"}"#, 400, "invalid isolation"),
        (#"{"VolumeDriver":"nfs"}"#, 501, "volume drivers other than \"local\" are not supported (nfs)"),
        (#"{"Links":["a:b"]}"#, 501, "links between containers are not supported"),
        (#"{"DeviceRequests":[{"Count":-1,"Capabilities":[["gpu"]]}]}"#, 501, "device requests are not supported"),
        (#"{"StorageOpt":{"size":"1G"}}"#, 501, "storage options"), (#"{"CgroupParent":"/a"}"#, 501, "control group"),
        (#"{"MemorySwappiness":0}"#, 501, "memory swappiness"), (#"{"MemorySwappiness":60}"#, 501, "memory swappiness"),
        (#"{"OomKillDisable":true}"#, 501, "OOM killer"), (#"{"BlkioWeight":100}"#, 501, "block I/O weights"),
        (#"{"BlkioWeightDevice":[{"Path":"/dev/sda","Weight":1}]}"#, 501, "block I/O weights"),
        (#"{"BlkioDeviceReadBps":[{"Path":"/dev/sda","Rate":1}]}"#, 501, "block I/O limits"),
        (#"{"BlkioDeviceWriteBps":[{"Path":"/dev/sda","Rate":1}]}"#, 501, "block I/O limits"),
        (#"{"BlkioDeviceReadIOps":[{"Path":"/dev/sda","Rate":1}]}"#, 501, "block I/O limits"),
        (#"{"BlkioDeviceWriteIOps":[{"Path":"/dev/sda","Rate":1}]}"#, 501, "block I/O limits"),
        (#"{"CpuRealtimeRuntime":1000}"#, 501, "real-time scheduling"), (#"{"Annotations":{"a":"b"}}"#, 501, "labels"),
    ])
    func hostConfiguration(_ host: String, _ status: Int, _ message: String) throws {
        try refused(["Image": "x", "HostConfig": JSONValue(parsing: host)], status, message)
    }

    @Test(arguments: [
        (#"{"Links":["a"]}"#, "links"), (#"{"DriverOpts":{"a":"b"}}"#, "driver options"),
        (#"{"GwPriority":1}"#, "gateways"),
        (#"{"IPAMConfig":{"IPv6Address":"fd00::1"}}"#, "IPv6"),
        (#"{"IPAMConfig":{"LinkLocalIPs":["169.254.1.1"]}}"#, "link"),
    ])
    func endpoints(_ settings: String, _ message: String) throws {
        let settings = try JSONValue(parsing: settings)
        try refused(["Image": "x", "NetworkingConfig": ["EndpointsConfig": ["net": settings]]], 501, message)
        #expect(throws: EngineError.self) { try UnsupportedSettings.check(endpoint: settings) }
    }

    @Test func othersOfTheContainer() throws {
        try refused(["Image": "x", "NetworkDisabled": true], 501, "network mode \"none\"")
        #expect(throws: EngineError.self) { try UnsupportedSettings.check(update: ["BlkioWeight": 100]) }
        try UnsupportedSettings.check(update: ["BlkioWeight": 0, "Memory": 1_048_576, "MemorySwappiness": nil])
        let creation = try ContainerCreation(["Image": "x", "MacAddress": "02:42:00:00:00:01"])
        #expect(creation.configuration.macAddress == "02:42:00:00:00:01")
    }

    private func refused(_ body: JSONValue, _ status: Int, _ message: String) throws {
        let error = #expect(throws: EngineError.self, "\(body)") { try ContainerCreation(body) }
        #expect(error?.kind.status == status)
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }
}
