import JSON

extension RuntimeConfiguration {
    /// Reads a `config.json` and checks what can be told from its text alone.
    ///
    /// - Throws: the reason and the path of the member that is wrong: `linux.namespaces[2].type: …`.
    public static func parse(_ text: [UInt8]) throws(JSONError) -> RuntimeConfiguration {
        let configuration = try RuntimeConfiguration(parsing: text)
        try configuration.validate()
        return configuration
    }

    /// Checks what the specification demands of values beyond their types.
    public func validate() throws(JSONError) {
        try check(Self.isKnown(ociVersion), "ociVersion", "\"\(ociVersion)\" is no version of OCI runtime-spec 1")
        guard let root else { throw JSONError("missing \"root\"") }
        try check(!root.path.isEmpty, "root.path", "empty")
        try check(!root.path.split(separator: "/").contains(".."), "root.path", "leads out of the bundle")
        for (index, mount) in (mounts ?? []).enumerated() {
            let path = "mounts[\(index)]"
            try check(!mount.destination.isEmpty, path + ".destination", "empty")
            let isMapped = mount.uidMappings != nil || mount.gidMappings != nil
            if isMapped {
                try IDMapping.validate(mount.uidMappings, path + ".uidMappings", isNeeded: true)
                try IDMapping.validate(mount.gidMappings, path + ".gidMappings", isNeeded: true)
            }
            let words = mount.words
            try check(
                words.idMapped == .no || mount.isBind(words), path + (isMapped ? ".uidMappings" : ".options"),
                "only a bind mount can be idmapped")
        }
        try hooks?.validate()
        try process?.validate("process")
        try linux?.validate()
        if hostname?.isEmpty == false || domainname?.isEmpty == false {
            let member = hostname?.isEmpty == false ? "hostname" : "domainname"
            try check(
                linux?.namespace(.uts) != nil, member, "cannot be set without a UTS namespace of the container's own")
        }
    }

    /// `1.2.0`, `1.0.2-dev`, `1.1.0+x`.
    private static func isKnown(_ version: String) -> Bool {
        let core = version.prefix { $0 != "-" && $0 != "+" }
        let numbers = core.split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 3 && numbers.allSatisfy { UInt32($0) != nil } && UInt32(numbers[0]) == 1
    }
}

/// Throws where `isFine` is false.
func check(_ isFine: Bool, _ path: String, _ reason: @autoclosure () -> String) throws(JSONError) {
    if !isFine { throw JSONError(reason(), path: path) }
}

extension IDMapping {
    /// Ranges that a user namespace can have: at least one, none of them empty, none overlapping another.
    static func validate(_ mappings: [IDMapping]?, _ path: String, isNeeded: Bool) throws(JSONError) {
        let mappings = mappings ?? []
        // user_namespaces(7): the kernel takes so many lines.
        let limit = 340
        try check(!isNeeded || !mappings.isEmpty, path, "a user namespace needs mappings")
        try check(mappings.count <= limit, path, "more than \(limit) mappings")
        for (index, mapping) in mappings.enumerated() {
            let path = "\(path)[\(index)]"
            try check(mapping.size > 0, path + ".size", "0")
            for (member, start) in [("containerID", mapping.containerID), ("hostID", mapping.hostID)] {
                let end = UInt64(start) + UInt64(mapping.size)
                try check(
                    end <= UInt64(UInt32.max), "\(path).\(member)", "the range ends beyond the largest identifier")
            }
            for other in mappings[..<index] {
                try check(
                    !overlap((mapping.containerID, mapping.size), (other.containerID, other.size)),
                    path + ".containerID",
                    "overlaps another mapping")
                try check(
                    !overlap((mapping.hostID, mapping.size), (other.hostID, other.size)), path + ".hostID",
                    "overlaps another mapping")
            }
        }
    }

    private static func overlap(_ left: (start: UInt32, size: UInt32), _ right: (start: UInt32, size: UInt32)) -> Bool {
        UInt64(left.start) < UInt64(right.start) + UInt64(right.size)
            && UInt64(right.start) < UInt64(left.start) + UInt64(left.size)
    }
}

extension RuntimeConfiguration.Hooks {
    /// By their members' names, in the order of a container's life.
    public var all: [(name: String, hooks: [RuntimeConfiguration.Hook])] {
        [
            ("prestart", prestart), ("createRuntime", createRuntime), ("createContainer", createContainer),
            ("startContainer", startContainer), ("poststart", poststart), ("poststop", poststop),
        ].map { ($0.0, $0.1 ?? []) }
    }

    func validate() throws(JSONError) {
        // A year.
        let limit = 31_536_000
        for (name, hooks) in all {
            for (index, hook) in hooks.enumerated() {
                let path = "hooks.\(name)[\(index)]"
                try check(hook.path.hasPrefix("/"), path + ".path", "\"\(hook.path)\" is not absolute")
                try check(
                    hook.timeout.map { (1...limit).contains($0) } ?? true, path + ".timeout",
                    "must be of 1 to \(limit) seconds")
            }
        }
    }
}

extension ProcessConfiguration {
    /// - Parameter path: where it stands in the document.
    public func validate(_ path: String) throws(JSONError) {
        try check(args?.isEmpty == false, path + ".args", "empty")
        try check(cwd.hasPrefix("/"), path + ".cwd", "\"\(cwd)\" is not absolute")
        for (index, word) in (env ?? []).enumerated() {
            try check(!word.isEmpty && !word.utf8.contains(0), "\(path).env[\(index)]", "empty or with a NUL")
        }
        let rlimits = rlimits ?? []
        for (index, limit) in rlimits.enumerated() {
            let path = "\(path).rlimits[\(index)]"
            try check(ResourceLimit.number(of: limit.type) != nil, path + ".type", "\"\(limit.type)\" is no limit")
            try check(
                !rlimits[..<index].contains { $0.type == limit.type }, path + ".type", "\(limit.type) is set twice")
            try check(limit.soft <= limit.hard, path + ".soft", "more than the hard limit")
        }
        if let oomScoreAdj {
            try check(
                (-1000...1000).contains(oomScoreAdj), path + ".oomScoreAdj", "\(oomScoreAdj) is not of -1000 to 1000")
        }
        if let scheduler {
            try check(
                Scheduler.policies[scheduler.policy] != nil, path + ".scheduler.policy",
                "\"\(scheduler.policy)\" is no policy")
            for (index, flag) in (scheduler.flags ?? []).enumerated() {
                try check(
                    Scheduler.flagBits[flag] != nil, "\(path).scheduler.flags[\(index)]", "\"\(flag)\" is no flag")
            }
        }
        if let ioPriority {
            try check(
                IOPriority.classes[ioPriority.class] != nil, path + ".ioPriority.class",
                "\"\(ioPriority.class)\" is no class")
            try check(
                (0...7).contains(ioPriority.priority), path + ".ioPriority.priority",
                "\(ioPriority.priority) is not of 0 to 7")
        }
    }
}

extension LinuxConfiguration {
    private static let propagations: Set<String> = [
        "", "shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable",
    ]

    func validate() throws(JSONError) {
        try validateNamespaces()
        for (index, device) in (devices ?? []).enumerated() {
            let path = "linux.devices[\(index)]"
            try check(
                ["c", "u", "b", "p"].contains(device.type), path + ".type", "\"\(device.type)\" is no kind of device")
            try check(device.path.hasPrefix("/"), path + ".path", "\"\(device.path)\" is not absolute")
            if device.type != "p" {
                try check(device.major != nil && device.minor != nil, path, "a device needs a major and a minor number")
            }
        }
        if let rootfsPropagation {
            try check(
                Self.propagations.contains(rootfsPropagation), "linux.rootfsPropagation",
                "\"\(rootfsPropagation)\" is no propagation")
        }
        try check(intelRdt == nil, "linux.intelRdt", "Intel RDT is not supported")
        if let personality {
            try check(
                ["LINUX", "LINUX32"].contains(personality.domain), "linux.personality.domain",
                "\"\(personality.domain)\" is no execution domain")
            try check(personality.flags?.isEmpty ?? true, "linux.personality.flags", "no flag is known")
        }
        try seccomp?.validate()
    }

    private func validateNamespaces() throws(JSONError) {
        let namespaces = namespaces ?? []
        for (index, namespace) in namespaces.enumerated() {
            let path = "linux.namespaces[\(index)]"
            try check(
                !namespaces[..<index].contains { $0.type == namespace.type }, path + ".type",
                "\(namespace.type.rawValue) is named twice")
            if let joined = namespace.path, !joined.isEmpty {
                try check(joined.hasPrefix("/"), path + ".path", "\"\(joined)\" is not absolute")
            }
        }
        let user = namespace(.user)
        let isNew = user != nil && user?.path?.isEmpty ?? true
        func checkMappings(_ mappings: [IDMapping]?, _ path: String) throws(JSONError) {
            try check(
                user != nil || mappings?.isEmpty ?? true, path, "mappings without a user namespace")
            try IDMapping.validate(mappings, path, isNeeded: isNew)
        }
        try checkMappings(uidMappings, "linux.uidMappings")
        try checkMappings(gidMappings, "linux.gidMappings")
        guard let timeOffsets, !timeOffsets.isEmpty else { return }
        let time = namespace(.time)
        try check(
            time != nil && time?.path?.isEmpty ?? true, "linux.timeOffsets", "offsets without a new time namespace")
        for (clock, offset) in timeOffsets.sorted(by: { $0.key < $1.key }) {
            try check(["monotonic", "boottime"].contains(clock), "linux.timeOffsets.\(clock)", "no clock of that name")
            try check(
                (offset.nanosecs ?? 0) < 1_000_000_000, "linux.timeOffsets.\(clock).nanosecs", "more than a second")
        }
    }
}

extension SeccompConfiguration {
    func validate() throws(JSONError) {
        let rules = syscalls ?? []
        try check(defaultAction != .notify, "linux.seccomp.defaultAction", "SCMP_ACT_NOTIFY cannot be the default")
        try check(
            defaultErrnoRet == nil || defaultAction == .errno || defaultAction == .trace,
            "linux.seccomp.defaultErrnoRet", "\(defaultAction.rawValue) has no error number")
        for (index, flag) in (flags ?? []).enumerated() {
            try check(Self.flagNames.contains(flag), "linux.seccomp.flags[\(index)]", "\"\(flag)\" is no flag")
        }
        for (index, rule) in rules.enumerated() {
            let path = "linux.seccomp.syscalls[\(index)]"
            try check(!rule.names.isEmpty, path + ".names", "empty")
            try check(
                rule.errnoRet == nil || rule.action == .errno || rule.action == .trace, path + ".errnoRet",
                "\(rule.action.rawValue) has no error number")
            if rule.action == .notify {
                try check(listenerPath?.isEmpty == false, path + ".action", "SCMP_ACT_NOTIFY needs a listenerPath")
                // The process itself tells the runtime of its filter by it, before anyone answers.
                try check(
                    !rule.names.contains("write"), path + ".names",
                    "SCMP_ACT_NOTIFY cannot be used for the write syscall")
            }
            for (number, argument) in (rule.args ?? []).enumerated() {
                try check(argument.index < 6, "\(path).args[\(number)].index", "a call has 6 arguments")
            }
        }
    }

    /// seccomp(2).
    public static let flagNames = [
        "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ]
}
