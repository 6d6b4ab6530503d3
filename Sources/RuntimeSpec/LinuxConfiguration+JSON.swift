import JSON

extension LinuxConfiguration: JSONReadable, Decodable {
    public init(_ members: JSONMembers) throws(JSONError) {
        namespaces = try members.objects("namespaces")
        uidMappings = try members.objects("uidMappings")
        gidMappings = try members.objects("gidMappings")
        timeOffsets = try members.objectsByName("timeOffsets")
        devices = try members.objects("devices")
        cgroupsPath = try members.text("cgroupsPath")
        resources = try members.object("resources")
        intelRdt = try members.object("intelRdt")
        sysctl = try members.textsByName("sysctl")
        seccomp = try members.object("seccomp")
        rootfsPropagation = try members.text("rootfsPropagation")
        maskedPaths = try members.texts("maskedPaths")
        readonlyPaths = try members.texts("readonlyPaths")
        mountLabel = try members.text("mountLabel")
        personality = try members.object("personality")
    }
}

extension LinuxConfiguration.Namespace: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        type = try members.needed("type", members.word("type"))
        path = try members.text("path")
    }
}

extension LinuxConfiguration.TimeOffset: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        secs = try members.number("secs")
        nanosecs = try members.number("nanosecs")
    }
}

extension LinuxConfiguration.Device: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        type = try members.needed("type", members.text("type"))
        path = try members.needed("path", members.text("path"))
        major = try members.number("major")
        minor = try members.number("minor")
        fileMode = try members.number("fileMode")
        uid = try members.number("uid")
        gid = try members.number("gid")
    }
}

extension LinuxConfiguration.IntelRDT: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        closID = try members.text("closID")
        l3CacheSchema = try members.text("l3CacheSchema")
        memBwSchema = try members.text("memBwSchema")
    }
}

extension LinuxConfiguration.Personality: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        domain = try members.needed("domain", members.text("domain"))
        flags = try members.texts("flags")
    }
}
