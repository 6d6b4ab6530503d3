/// A program for BPF_CGROUP_DEVICE that answers as rules in order do: for each kind of access that is asked for the
/// last rule about it decides, and what no rule is about is denied (the kernel's include/uapi/linux/bpf.h:
/// bpf_cgroup_dev_ctx).
struct DeviceProgram {
    private(set) var instructions: [UInt64] = []

    init(_ rules: [DeviceRule]) {
        // r2 = access_type & 0xffff (kind), r3 = access_type >> 16 (what is still to be decided), r4 = major, r5 =
        // minor.
        load(2, offset: 0)
        emit(.move, destination: 3, source: 2)
        emit(.andValue, destination: 2, immediate: 0xffff)
        emit(.shiftRightValue, destination: 3, immediate: 16)
        load(4, offset: 4)
        load(5, offset: 8)
        let start = rules.lastIndex(where: \.isReset)
        for rule in rules[(start.map { $0 + 1 } ?? 0)...].reversed() { add(rule) }
        answer(start.map { rules[$0].isAllowed } ?? false)
    }

    enum Code: UInt64 {
        case load = 0x61
        case move = 0xbc
        case moveValue = 0xb4
        case andValue = 0x54
        case shiftRightValue = 0x74
        case jumpIfEqual = 0x16
        case jumpIfNot = 0x56
        case exit = 0x95
    }

    private mutating func add(_ rule: DeviceRule) {
        var tests: [(register: UInt64, value: Int32)] = []
        if let kind = rule.kind { tests.append((2, kind.number)) }
        if let major = rule.major { tests.append((4, Int32(bitPattern: major))) }
        if let minor = rule.minor { tests.append((5, Int32(bitPattern: minor))) }
        let access = Int32(rule.access.rawValue)
        // A test that fails jumps over the others, what is decided here, and the answer's two instructions.
        let rest = (rule.isAllowed ? 2 : 3) + 2
        for (index, test) in tests.enumerated() {
            emit(
                .jumpIfNot, destination: test.register, offset: tests.count - index - 1 + rest, immediate: test.value)
        }
        if rule.isAllowed {
            emit(.andValue, destination: 3, immediate: ~access & 7)
            emit(.jumpIfNot, destination: 3, offset: 2, immediate: 0)
        } else {
            emit(.move, destination: 0, source: 3)
            emit(.andValue, destination: 0, immediate: access)
            emit(.jumpIfEqual, destination: 0, offset: 2, immediate: 0)
        }
        answer(rule.isAllowed)
    }

    private mutating func answer(_ isAllowed: Bool) {
        emit(.moveValue, destination: 0, immediate: isAllowed ? 1 : 0)
        emit(.exit)
    }

    /// register = *(u32 *)(r1 + offset)
    private mutating func load(_ register: UInt64, offset: Int) {
        emit(.load, destination: register, source: 1, offset: offset)
    }

    /// struct bpf_insn: code, registers, offset, immediate, least significant byte first. All in 32 bits.
    private mutating func emit(
        _ code: Code, destination: UInt64 = 0, source: UInt64 = 0, offset: Int = 0, immediate: Int32 = 0
    ) {
        let fields = code.rawValue | destination << 8 | source << 12 | UInt64(UInt16(offset)) << 16
        instructions.append(fields | UInt64(UInt32(bitPattern: immediate)) << 32)
    }
}
