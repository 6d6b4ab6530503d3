import JSON

extension LinuxResources: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        devices = try members.objects("devices")
        memory = try members.object("memory")
        cpu = try members.object("cpu")
        pids = try members.object("pids")
        blockIO = try members.object("blockIO")
        hugepageLimits = try members.objects("hugepageLimits")
        network = try members.object("network")
        rdma = try members.objectsByName("rdma")
        unified = try members.textsByName("unified")
    }
}

extension LinuxResources.DeviceRule: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        allow = try members.needed("allow", members.flag("allow"))
        type = try members.text("type")
        major = try members.number("major")
        minor = try members.number("minor")
        access = try members.text("access")
    }
}

extension LinuxResources.Memory: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        limit = try members.number("limit")
        reservation = try members.number("reservation")
        swap = try members.number("swap")
        kernel = try members.number("kernel")
        kernelTCP = try members.number("kernelTCP")
        swappiness = try members.number("swappiness")
        disableOOMKiller = try members.flag("disableOOMKiller")
        useHierarchy = try members.flag("useHierarchy")
        checkBeforeUpdate = try members.flag("checkBeforeUpdate")
    }
}

extension LinuxResources.CPU: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        shares = try members.number("shares")
        quota = try members.number("quota")
        burst = try members.number("burst")
        period = try members.number("period")
        realtimeRuntime = try members.number("realtimeRuntime")
        realtimePeriod = try members.number("realtimePeriod")
        cpus = try members.text("cpus")
        mems = try members.text("mems")
        idle = try members.number("idle")
    }
}

extension LinuxResources.PIDs: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        limit = try members.number("limit")
    }
}

extension LinuxResources.BlockIO: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        weight = try members.number("weight")
        leafWeight = try members.number("leafWeight")
        weightDevice = try members.objects("weightDevice")
        throttleReadBpsDevice = try members.objects("throttleReadBpsDevice")
        throttleWriteBpsDevice = try members.objects("throttleWriteBpsDevice")
        throttleReadIOPSDevice = try members.objects("throttleReadIOPSDevice")
        throttleWriteIOPSDevice = try members.objects("throttleWriteIOPSDevice")
    }
}

extension LinuxResources.WeightDevice: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        major = try members.needed("major", members.number("major"))
        minor = try members.needed("minor", members.number("minor"))
        weight = try members.number("weight")
        leafWeight = try members.number("leafWeight")
    }
}

extension LinuxResources.ThrottleDevice: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        major = try members.needed("major", members.number("major"))
        minor = try members.needed("minor", members.number("minor"))
        rate = try members.needed("rate", members.number("rate"))
    }
}

extension LinuxResources.HugepageLimit: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        pageSize = try members.needed("pageSize", members.text("pageSize"))
        limit = try members.needed("limit", members.number("limit"))
    }
}

extension LinuxResources.Network: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        classID = try members.number("classID")
        priorities = try members.objects("priorities")
    }
}

extension LinuxResources.InterfacePriority: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        name = try members.needed("name", members.text("name"))
        priority = try members.needed("priority", members.number("priority"))
    }
}

extension LinuxResources.RDMA: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        hcaHandles = try members.number("hcaHandles")
        hcaObjects = try members.number("hcaObjects")
    }
}
