import JSON

extension SeccompConfiguration: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        defaultAction = try members.needed("defaultAction", members.word("defaultAction"))
        defaultErrnoRet = try members.number("defaultErrnoRet")
        architectures = try members.texts("architectures")
        flags = try members.texts("flags")
        listenerPath = try members.text("listenerPath")
        listenerMetadata = try members.text("listenerMetadata")
        syscalls = try members.objects("syscalls")
    }
}

extension SeccompConfiguration.Rule: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        names = try members.needed("names", members.texts("names"))
        action = try members.needed("action", members.word("action"))
        errnoRet = try members.number("errnoRet")
        args = try members.objects("args")
    }
}

extension SeccompConfiguration.Argument: JSONReadable {
    public init(_ members: JSONMembers) throws(JSONError) {
        index = try members.needed("index", members.number("index"))
        value = try members.needed("value", members.number("value"))
        valueTwo = try members.number("valueTwo")
        op = try members.needed("op", members.word("op"))
    }
}
