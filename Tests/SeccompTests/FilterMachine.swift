import CSeccomp
import RuntimeSpec
import Seccomp

/// What the kernel does with a call under a filter: classic BPF over struct seccomp_data, as much of it as filters use.
struct FilterMachine {
    struct Fault: Error {
        let reason: String
    }

    private let program: [(code: UInt16, yes: Int, no: Int, value: UInt32)]

    init(_ filter: SeccompFilter) {
        let bytes = filter.instructions
        program = stride(from: 0, to: bytes.count, by: 8).map { at in
            let code = UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8
            let value: UInt32 = (0..<4).reduce(0) { $0 | UInt32(bytes[at + 4 + $1]) << UInt32($1 * 8) }
            return (code, Int(bytes[at + 2]), Int(bytes[at + 3]), value)
        }
    }

    init(_ configuration: SeccompConfiguration) throws {
        self.init(try SeccompFilter(compiling: configuration))
    }

    /// SECCOMP_RET_… with its data, for a call of this machine's architecture by its name.
    func verdict(_ call: String, _ arguments: [UInt64] = []) throws -> UInt32 {
        let number = seccomp_syscall_resolve_name(call)
        guard number >= 0 else { throw Fault(reason: "\(call) is unknown") }
        return try verdict(number: UInt32(number), arguments)
    }

    func verdict(
        number: UInt32, architecture: UInt32 = seccomp_arch_native(), _ arguments: [UInt64] = []
    ) throws -> UInt32 {
        // nr, arch, instruction_pointer, args[6]: halves of 32 bits, the lower first.
        var data: [UInt32] = [number, architecture, 0, 0]
        for index in 0..<6 {
            let argument = index < arguments.count ? arguments[index] : 0
            data += [UInt32(truncatingIfNeeded: argument), UInt32(argument >> 32)]
        }
        var accumulator: UInt32 = 0
        var position = 0
        while position < program.count {
            let (code, yes, no, value) = program[position]
            position += 1
            switch code {
            case 0x20:
                guard value % 4 == 0, Int(value / 4) < data.count else { throw Fault(reason: "loads \(value)") }
                accumulator = data[Int(value / 4)]
            case 0x54: accumulator &= value
            case 0x05: position += Int(value)
            case 0x15: position += accumulator == value ? yes : no
            case 0x25: position += accumulator > value ? yes : no
            case 0x35: position += accumulator >= value ? yes : no
            case 0x45: position += accumulator & value != 0 ? yes : no
            case 0x06: return value
            default: throw Fault(reason: "instruction \(code)")
            }
        }
        throw Fault(reason: "ran beyond the end")
    }
}

/// What verdicts are made of (linux/seccomp.h).
enum Verdict {
    static let killThread: UInt32 = 0
    static let killProcess: UInt32 = 0x8000_0000
    static let trap: UInt32 = 0x0003_0000
    static let notify: UInt32 = 0x7fc0_0000
    static let log: UInt32 = 0x7ffc_0000
    static let allow: UInt32 = 0x7fff_0000
    static func errno(_ number: UInt32) -> UInt32 { 0x0005_0000 | number }
    static func trace(_ number: UInt32) -> UInt32 { 0x7ff0_0000 | number }
}

extension SeccompConfiguration {
    init(
        _ fallback: Action, errnoRet: UInt32? = nil, architectures: [String]? = nil, flags: [String]? = nil,
        _ rules: [Rule] = []
    ) {
        self.init(defaultAction: fallback)
        defaultErrnoRet = errnoRet
        self.architectures = architectures
        self.flags = flags
        syscalls = rules
    }
}
