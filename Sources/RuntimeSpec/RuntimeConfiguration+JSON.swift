import JSON

extension RuntimeConfiguration: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        ociVersion = try members.needed("ociVersion", members.text("ociVersion"))
        root = try members.object("root")
        mounts = try members.objects("mounts")
        process = try members.object("process")
        hostname = try members.text("hostname")
        domainname = try members.text("domainname")
        hooks = try members.object("hooks")
        annotations = try members.textsByName("annotations")
        linux = try members.object("linux")
    }
}

extension RuntimeConfiguration.Root: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        path = try members.needed("path", members.text("path"))
        readonly = try members.flag("readonly")
    }
}

extension RuntimeConfiguration.Mount: JSONReadable, Decodable {
    public init(_ members: JSONMembers) throws(JSONError) {
        destination = try members.needed("destination", members.text("destination"))
        type = try members.text("type")
        source = try members.text("source")
        options = try members.texts("options")
        uidMappings = try members.objects("uidMappings")
        gidMappings = try members.objects("gidMappings")
    }
}

extension RuntimeConfiguration.Hooks: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        prestart = try members.objects("prestart")
        createRuntime = try members.objects("createRuntime")
        createContainer = try members.objects("createContainer")
        startContainer = try members.objects("startContainer")
        poststart = try members.objects("poststart")
        poststop = try members.objects("poststop")
    }
}

extension RuntimeConfiguration.Hook: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        path = try members.needed("path", members.text("path"))
        args = try members.texts("args")
        env = try members.texts("env")
        timeout = try members.number("timeout")
    }
}

extension IDMapping: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        containerID = try members.needed("containerID", members.number("containerID"))
        hostID = try members.needed("hostID", members.number("hostID"))
        size = try members.needed("size", members.number("size"))
    }
}
