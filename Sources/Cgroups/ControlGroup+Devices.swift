import CLinux
import Glibc
import LinuxSystem
import RuntimeSpec

extension LinuxResources.DeviceRule {
    /// What every container may use after its own rules, as with runc since 1.2: making nodes; null, zero, full,
    /// random, urandom, tty, ptmx and the terminals.
    public static let defaults: [LinuxResources.DeviceRule] = [
        .init("c", nil, nil, "m"), .init("b", nil, nil, "m"), .init("c", 1, 3, "rwm"), .init("c", 1, 5, "rwm"),
        .init("c", 1, 7, "rwm"), .init("c", 5, 0, "rwm"), .init("c", 1, 8, "rwm"), .init("c", 1, 9, "rwm"),
        .init("c", 5, 2, "rwm"), .init("c", 136, nil, "rwm"),
    ]

    private init(_ type: String, _ major: Int64?, _ minor: Int64?, _ access: String) {
        self.init(allow: true)
        (self.type, self.major, self.minor, self.access) = (type, major, minor, access)
    }

    /// A rule that allows: `c 10:200 rwm`, `*` for any number, `a` for both kinds, `a` alone for everything; nil for
    /// anything else (the kernel's Documentation/admin-guide/cgroup-v1/devices.rst).
    public init?(_ text: String, allow: Bool = true) {
        self.init(allow: allow)
        if text == "a" { return }
        let words = text.split(separator: " ")
        guard words.count == 3, ["a", "b", "c"].contains(words[0]), DeviceAccess(words[2]) != nil else { return nil }
        type = String(words[0])
        access = String(words[2])
        let numbers = words[1].split(separator: ":", omittingEmptySubsequences: false)
        guard numbers.count == 2 else { return nil }
        for (index, word) in numbers.enumerated() where word != "*" {
            guard let number = UInt32(word) else { return nil }
            if index == 0 { major = Int64(number) } else { minor = Int64(number) }
        }
    }
}

extension ControlGroup {
    /// How many rules a list may have: eight instructions each, of the 4096 that every kernel takes in a program.
    public static let deviceRuleLimit = 500

    /// Sets which devices the group may use: rules in order, for each kind of access the last rule about a device
    /// decides, and what none is about is denied. Nothing is added to the rules: a container gets
    /// `LinuxResources.DeviceRule.defaults` after its own. By v1's controller, otherwise by a program in v2; what was
    /// set before is replaced, and a device that both allow can be used all the time.
    ///
    /// - Throws: the rule that cannot be, or that v1's controller cannot do (taking a part from a wider rule), or that
    ///   the group above does not allow.
    public func restrictDevices(_ rules: [LinuxResources.DeviceRule]) throws(ResourceError) {
        let rules = try DeviceRule.list(rules)
        if let path = path("devices") {
            let wanted = try DeviceList(rules)
            do {
                let current = DeviceList(text: try Files.text(path + "/devices.list"))
                try Self.write(wanted.transition(from: current), in: path)
            } catch {
                throw ResourceError("devices", "refused: \(error)", errno: error.errno, cause: error)
            }
        } else if let path = unifiedPath {
            do {
                try Self.attach(DeviceProgram(rules), to: path)
            } catch {
                throw ResourceError("devices", "refused: \(error)", errno: error.errno, cause: error)
            }
        } else {
            throw ResourceError("devices", "no cgroup controller devices for this group", errno: ENOTSUP)
        }
    }

    /// Each line is a call of its own (devices.rst), to a file that is opened once for those that follow each other.
    private static func write(_ lines: [(file: String, text: String)], in path: String) throws(SystemError) {
        var rest = lines[...]
        while let first = rest.first {
            let name = path + "/" + first.file
            let file = try Descriptor.open(name, O_WRONLY)
            while let line = rest.first, line.file == first.file {
                let bytes = Array(line.text.utf8)
                try syscall("write", on: name) { Glibc.write(file.rawValue, bytes, bytes.count) }
                rest.removeFirst()
            }
        }
    }

    /// The new program beside the old ones, then those away: meanwhile all of them have to allow.
    private static func attach(_ program: DeviceProgram, to path: String) throws(SystemError) {
        let group = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
        let instructions = program.instructions
        let loaded = Descriptor(
            owning: try checked(
                "bpf: load", on: path, cl_device_program_load(instructions, UInt32(instructions.count))))
        let old = try programs(of: group, path)
        try checked("bpf: attach", on: path, cl_device_program_attach(group.rawValue, loaded.rawValue))
        for identifier in old {
            let result = cl_device_program_detach(group.rawValue, identifier)
            if result != -ENOENT { try checked("bpf: detach", on: path, result) }
        }
    }

    /// The numbers of the device programs that are attached to a group itself.
    static func programs(of group: borrowing Descriptor, _ path: String) throws(SystemError) -> [UInt32] {
        var identifiers = [UInt32](repeating: 0, count: Int(CL_GROUP_PROGRAMS))
        let count = try checked("bpf: query", on: path, cl_device_program_query(group.rawValue, &identifiers))
        return Array(identifiers.prefix(Int(count)))
    }
}
