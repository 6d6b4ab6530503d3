import CLinux
import Glibc
import LinuxSystem

extension ControlGroup {
    /// What every container may use: making nodes, and null, zero, full, tty, random, urandom, the terminals.
    public static let defaultDeviceRules = [
        "c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 5:0 rwm", "c 1:8 rwm", "c 1:9 rwm",
        "c 5:2 rwm", "c 136:* rwm",
    ]

    /// Keeps every device but the default ones and those of `rules` (`c 10:200 rwm`) out of the group's reach, by v1's
    /// controller or a program in v2.
    public func restrictDevices(allowing rules: [String]) throws(SystemError) {
        let all = Self.defaultDeviceRules + rules
        if let path = path("devices") {
            try Files.set(path + "/devices.deny", "a")
            for rule in all { try Files.set(path + "/devices.allow", rule) }
        } else if let path = unifiedPath {
            var program = DeviceProgram()
            for text in all {
                guard let rule = DeviceRule(text) else { throw SystemError("device rule", text, errno: EINVAL) }
                program.allow(rule)
            }
            let group = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
            let instructions = program.finished()
            try checked(
                "bpf", on: path,
                cl_attach_device_program(group.rawValue, instructions, UInt32(instructions.count)))
        } else {
            throw SystemError("limit devices", "no cgroup controller", errno: ENOTSUP)
        }
    }
}

/// A rule of the devices controller: `c 10:200 rwm`, `*` for any number, `a` for both kinds.
struct DeviceRule: Hashable, Sendable {
    /// BPF_DEVCG_DEV_BLOCK 1, BPF_DEVCG_DEV_CHAR 2; nil for both.
    var kind: Int32?
    var major: Int32?
    var minor: Int32?
    /// BPF_DEVCG_ACC_MKNOD 1, READ 2, WRITE 4.
    var access: Int32

    init?(_ text: String) {
        let words = text.split(separator: " ")
        guard words.count == 3 || text == "a" else { return nil }
        switch words[0] {
        case "a": kind = nil
        case "b": kind = 1
        case "c": kind = 2
        default: return nil
        }
        guard words.count == 3 else {
            access = 7
            return
        }
        let numbers = words[1].split(separator: ":", omittingEmptySubsequences: false)
        guard numbers.count == 2 else { return nil }
        for (index, word) in numbers.enumerated() where word != "*" {
            guard let number = Int32(word), number >= 0 else { return nil }
            if index == 0 { major = number } else { minor = number }
        }
        access = 0
        for letter in words[2] {
            switch letter {
            case "m": access |= 1
            case "r": access |= 2
            case "w": access |= 4
            default: return nil
            }
        }
    }
}

/// A program for BPF_CGROUP_DEVICE: rules one after the other, the first that holds allows; otherwise denied.
struct DeviceProgram {
    private var instructions: [UInt64] = []

    init() {
        // r2 = access_type & 0xffff (kind), r3 = access_type >> 16 (access), r4 = major, r5 = minor.
        load(2, offset: 0)
        emit(0xbc, destination: 3, source: 2)
        emit(0x54, destination: 2, immediate: 0xffff)
        emit(0x74, destination: 3, immediate: 16)
        load(4, offset: 4)
        load(5, offset: 8)
    }

    mutating func allow(_ rule: DeviceRule) {
        var tests: [(UInt64, UInt64, Int32)] = []
        if let kind = rule.kind { tests.append((0x55, 2, kind)) }
        if let major = rule.major { tests.append((0x55, 4, major)) }
        if let minor = rule.minor { tests.append((0x55, 5, minor)) }
        // Each test that fails jumps over the rest: the tests behind it, three for the access, two for the answer.
        for (index, (code, register, value)) in tests.enumerated() {
            let distance = tests.count - index - 1 + 3 + 2
            emit(code, destination: register, offset: distance, immediate: value)
        }
        emit(0xbc, destination: 1, source: 3)
        emit(0x54, destination: 1, immediate: ~rule.access & 7)
        emit(0x55, destination: 1, offset: 2, immediate: 0)
        answer(1)
    }

    func finished() -> [UInt64] {
        var copy = self
        copy.answer(0)
        return copy.instructions
    }

    private mutating func answer(_ value: Int32) {
        emit(0xb7, destination: 0, immediate: value)
        emit(0x95)
    }

    /// register = *(u32 *)(r1 + offset)
    private mutating func load(_ register: UInt64, offset: Int) {
        emit(0x61, destination: register, source: 1, offset: offset)
    }

    /// struct bpf_insn: code, registers, offset, immediate, least significant byte first.
    private mutating func emit(
        _ code: UInt64, destination: UInt64 = 0, source: UInt64 = 0, offset: Int = 0, immediate: Int32 = 0
    ) {
        let fields = code | destination << 8 | source << 12 | UInt64(UInt16(offset)) << 16
        instructions.append(fields | UInt64(UInt32(bitPattern: immediate)) << 32)
    }
}
