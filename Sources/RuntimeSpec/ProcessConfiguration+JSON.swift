import JSON

extension ProcessConfiguration: JSONReadable, Decodable {
    public init(_ members: JSONMembers) throws(JSONError) {
        terminal = try members.flag("terminal")
        consoleSize = try members.object("consoleSize")
        user = try members.object("user")
        args = try members.texts("args")
        env = try members.texts("env")
        cwd = try members.needed("cwd", members.text("cwd"))
        capabilities = try members.object("capabilities")
        rlimits = try members.objects("rlimits")
        noNewPrivileges = try members.flag("noNewPrivileges")
        apparmorProfile = try members.text("apparmorProfile")
        oomScoreAdj = try members.number("oomScoreAdj")
        scheduler = try members.object("scheduler")
        selinuxLabel = try members.text("selinuxLabel")
        ioPriority = try members.object("ioPriority")
        execCPUAffinity = try members.object("execCPUAffinity")
    }
}

extension ProcessConfiguration.ConsoleSize: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        height = try members.needed("height", members.number("height"))
        width = try members.needed("width", members.number("width"))
    }
}

extension ProcessConfiguration.User: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        uid = try members.needed("uid", members.number("uid"))
        gid = try members.needed("gid", members.number("gid"))
        umask = try members.number("umask")
        additionalGids = try members.numbers("additionalGids")
    }
}

extension ProcessConfiguration.Capabilities: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        bounding = try members.texts("bounding")
        effective = try members.texts("effective")
        inheritable = try members.texts("inheritable")
        permitted = try members.texts("permitted")
        ambient = try members.texts("ambient")
    }
}

extension ProcessConfiguration.ResourceLimit: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        type = try members.needed("type", members.text("type"))
        soft = try members.needed("soft", members.number("soft"))
        hard = try members.needed("hard", members.number("hard"))
    }
}

extension ProcessConfiguration.Scheduler: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        policy = try members.needed("policy", members.text("policy"))
        nice = try members.number("nice")
        priority = try members.number("priority")
        flags = try members.texts("flags")
        runtime = try members.number("runtime")
        deadline = try members.number("deadline")
        period = try members.number("period")
    }
}

extension ProcessConfiguration.IOPriority: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        `class` = try members.needed("class", members.text("class"))
        priority = try members.needed("priority", members.number("priority"))
    }
}

extension ProcessConfiguration.CPUAffinity: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        initial = try members.text("initial")
        final = try members.text("final")
    }
}
