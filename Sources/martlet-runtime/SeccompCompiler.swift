import CLinux
import CSeccomp
import Glibc
import LinuxSystem
import RuntimeProtocol

/// Turns a profile into the instructions of a filter (seccomp(2)), by libseccomp.
enum SeccompCompiler {
    /// Instructions of 8 bytes each; empty where nothing is filtered.
    static func compile(_ choice: SeccompChoice, capabilities: UInt64) throws -> [UInt8] {
        switch choice {
        case .unconfined: []
        case .dockerDefault: try compile(.dockerDefault(capabilities: capabilities))
        case .profile(let profile): try compile(profile)
        }
    }

    private static let allow: UInt32 = 0x7fff_0000
    private static let errno: UInt32 = 0x0005_0000

    private static func compile(_ profile: SeccompProfile) throws -> [UInt8] {
        guard let context = seccomp_init(errno | UInt32(profile.defaultErrno)) else {
            throw SystemError("seccomp_init", errno: ENOMEM)
        }
        defer { seccomp_release(context) }
        #if arch(x86_64)
            for architecture in [SCMP_ARCH_X86, SCMP_ARCH_X32] {
                try checked("seccomp_arch_add", seccomp_arch_add(context, UInt32(architecture)))
            }
        #elseif arch(arm64)
            try checked("seccomp_arch_add", seccomp_arch_add(context, SCMP_ARCH_ARM))
        #endif
        // A tree instead of a list of comparisons.
        try checked("seccomp_attr_set", seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2))
        var unknown: [(call: UInt32, answer: UInt32)] = []
        for rule in profile.rules {
            let action =
                switch rule.action {
                case .allow: allow
                case .errno(let number): errno | UInt32(number)
                }
            let arguments = rule.arguments.map(comparison)
            for name in rule.calls {
                let number = seccomp_syscall_resolve_name(name)
                if number == __NR_SCMP_ERROR {
                    if let newer = SeccompProfile.newCalls[name], arguments.isEmpty { unknown.append((newer, action)) }
                    continue
                }
                let result = seccomp_rule_add_array(context, action, number, UInt32(arguments.count), arguments)
                // A rule that says what the default says is none.
                if result == -EACCES || result == -EDOM { continue }
                try checked("seccomp_rule_add", on: name, result)
            }
        }
        let file = Descriptor(owning: try checked("memfd_create", cl_memfd("seccomp")))
        try checked("seccomp_export_bpf", seccomp_export_bpf(context, file.rawValue))
        lseek(file.rawValue, 0, SEEK_SET)
        return prologue(unknown) + (try Bytes.readToEnd(file.rawValue, limit: 4096 * 8))
    }

    private static func comparison(_ argument: SeccompProfile.Argument) -> scmp_arg_cmp {
        let operation =
            switch argument.comparison {
            case .equal: SCMP_CMP_EQ
            case .notEqual: SCMP_CMP_NE
            case .less: SCMP_CMP_LT
            case .greater: SCMP_CMP_GT
            case .maskedEqual: SCMP_CMP_MASKED_EQ
            }
        return scmp_arg_cmp(
            arg: argument.index, op: operation, datum_a: argument.value, datum_b: argument.maskedValue)
    }

    /// Answers for calls that are newer than libseccomp: those of the profile by number, and ENOSYS beyond every known
    /// one, so that C libraries fall back to older calls. From 424 on all architectures count alike.
    private static func prologue(_ calls: [(call: UInt32, answer: UInt32)]) -> [UInt8] {
        let newest = SeccompProfile.newCalls.values.max() ?? 0
        let x32: UInt32 = 0x4000_0000
        // Loads the number; x32's are left to libseccomp.
        var program = [instruction(0x20, 0, 0, 0)]
        let rest = calls.count * 2 + 2
        program.append(instruction(0x35, UInt8(rest), 0, x32))
        for (call, answer) in calls {
            program.append(instruction(0x15, 0, 1, call))
            program.append(instruction(0x06, 0, 0, answer))
        }
        program.append(instruction(0x25, 0, 1, newest))
        program.append(instruction(0x06, 0, 0, errno | UInt32(ENOSYS)))
        return program.flatMap { $0 }
    }

    /// struct sock_filter: code, jump if true, jump if false, value (linux/filter.h).
    private static func instruction(_ code: UInt16, _ yes: UInt8, _ no: UInt8, _ value: UInt32) -> [UInt8] {
        [UInt8(code & 0xff), UInt8(code >> 8), yes, no]
            + [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
