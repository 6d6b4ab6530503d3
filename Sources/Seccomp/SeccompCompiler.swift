import CLinux
import CSeccomp
import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec

extension SeccompFilter {
    /// Compiles a configuration by libseccomp, to what runc makes of it: calls that libseccomp does not know are left
    /// out, and those newer than any that it names fail with ENOSYS where others would fail too.
    ///
    /// - Throws: the path of the member that is wrong, from `linux.seccomp` on.
    public init(compiling configuration: SeccompConfiguration) throws(SeccompError) {
        let flags = try SeccompCompiler.flags(configuration)
        self.init(instructions: try SeccompCompiler(configuration).compile(), flags: flags)
    }
}

/// One configuration on its way to instructions.
private struct SeccompCompiler {
    private let configuration: SeccompConfiguration
    /// What the kernel does with a call that no rule is about (seccomp(2): SECCOMP_RET_…).
    private let fallback: UInt32
    private var architectures = [FilterPrologue.Architecture(token: seccomp_arch_native())]
    private var answers: [FilterPrologue.Answer] = []

    private static let path = "linux.seccomp"
    /// libseccomp's tree of calls: it makes wrong filters of none and wins nothing with few.
    private static let treeMinimum = 32

    init(_ configuration: SeccompConfiguration) throws(SeccompError) {
        guard configuration.defaultAction != .notify else {
            throw SeccompError(Self.path + ".defaultAction", "SCMP_ACT_NOTIFY cannot be the default")
        }
        self.configuration = configuration
        fallback = try Self.word(
            configuration.defaultAction, configuration.defaultErrnoRet, Self.path + ".defaultErrnoRet")
    }

    consuming func compile() throws(SeccompError) -> [UInt8] {
        guard let context = seccomp_init(fallback) else {
            throw SeccompError(Self.path + ".defaultAction", "seccomp_init: libseccomp refuses it on this kernel")
        }
        defer { seccomp_release(context) }
        for (index, name) in (configuration.architectures ?? []).enumerated() {
            let path = "\(Self.path).architectures[\(index)]"
            let token = try Self.architecture(name, path)
            if architectures.contains(where: { $0.token == token }) { continue }
            try Self.check(seccomp_arch_add(context, token), path, "seccomp_arch_add \(name)")
            architectures.append(.init(token: token))
        }
        let rules = configuration.syscalls ?? []
        if rules.reduce(0, { $0 + $1.names.count }) > Self.treeMinimum {
            try Self.check(
                seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2), Self.path, "seccomp_attr_set")
        }
        for (index, rule) in rules.enumerated() { try add(rule, "\(Self.path).syscalls[\(index)]", to: context) }
        switch configuration.defaultAction {
        case .allow, .log, .trace:
            for index in architectures.indices { architectures[index].newest = nil }
        default: break
        }
        let program = FilterPrologue.assemble(architectures, answers) + (try Self.export(context))
        guard program.count <= SeccompFilter.instructionLimit * 8 else {
            throw SeccompError(
                Self.path, "\(program.count / 8) instructions, the kernel takes \(SeccompFilter.instructionLimit)")
        }
        return program
    }

    /// Adds one rule, for every call that it names.
    private mutating func add(
        _ rule: SeccompConfiguration.Rule, _ path: String, to context: scmp_filter_ctx
    ) throws(SeccompError) {
        let action = try Self.word(rule.action, rule.errnoRet, path + ".errnoRet")
        let alternatives = try Self.alternatives(rule.args ?? [], path)
        for (index, name) in rule.names.enumerated() {
            let number = resolve(name)
            // A rule that says what holds anyway is none.
            if action == fallback { continue }
            guard number != __NR_SCMP_ERROR else {
                if rule.args?.isEmpty ?? true { answer(name, action) }
                continue
            }
            for conditions in alternatives {
                let result = seccomp_rule_add_array(context, action, number, UInt32(conditions.count), conditions)
                // No architecture of the filter has such a call.
                if result == -EDOM { continue }
                try Self.check(result, "\(path).names[\(index)]", "seccomp_rule_add \(name)")
            }
        }
    }

    /// The native number of a call, and notes the greatest of each architecture.
    private mutating func resolve(_ name: String) -> Int32 {
        name.withCString { text in
            let native = seccomp_syscall_resolve_name(text)
            let newer = native == __NR_SCMP_ERROR ? SeccompProfile.newCalls[name] : nil
            for index in architectures.indices {
                let token = architectures[index].token
                var number = index == 0 ? native : seccomp_syscall_resolve_name_arch(token, text)
                if number == __NR_SCMP_ERROR, let newer {
                    number = Int32(newer | (token == FilterPrologue.x32 ? FilterPrologue.x32Bit : 0))
                }
                // Below 0 are calls that other architectures have.
                guard number > 0, UInt32(number) > architectures[index].newest ?? 0 else { continue }
                architectures[index].newest = UInt32(number)
            }
            return native
        }
    }

    /// What a call of a known number gets that libseccomp does not know; the first answer counts.
    private mutating func answer(_ name: String, _ action: UInt32) {
        guard let call = SeccompProfile.newCalls[name], !answers.contains(where: { $0.call == call }) else { return }
        answers.append(.init(call: call, action: action))
    }

    private static func export(_ context: scmp_filter_ctx) throws(SeccompError) -> [UInt8] {
        do {
            let file = Descriptor(owning: try checked("memfd_create", cl_memfd("seccomp")))
            try checked("seccomp_export_bpf", seccomp_export_bpf(context, file.rawValue))
            try syscall("lseek") { lseek(file.rawValue, 0, SEEK_SET) }
            return try Bytes.readToEnd(file.rawValue, limit: SeccompFilter.byteLimit * 4)
        } catch {
            throw SeccompError(path, error.description)
        }
    }
}

// MARK: Words

extension SeccompCompiler {
    /// Without flags in the configuration speculation is left as it is, as runc and crun do.
    static func flags(_ configuration: SeccompConfiguration) throws(SeccompError) -> UInt32 {
        let hasListener = (configuration.syscalls ?? []).contains { $0.action == .notify }
        var flags = hasListener ? SeccompFilter.newListener : 0
        guard let names = configuration.flags else { return flags | SeccompFilter.allowSpeculation }
        for (index, name) in names.enumerated() {
            switch name {
            // A process that is about to exec has one thread.
            case "SECCOMP_FILTER_FLAG_TSYNC": break
            case "SECCOMP_FILTER_FLAG_LOG": flags |= SeccompFilter.log
            case "SECCOMP_FILTER_FLAG_SPEC_ALLOW": flags |= SeccompFilter.allowSpeculation
            // The kernel refuses it without a listener, for which alone it means something.
            case "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": if hasListener { flags |= SeccompFilter.waitKillable }
            default: throw SeccompError("\(path).flags[\(index)]", "\"\(name)\" is no flag")
            }
        }
        return flags
    }

    private static func architecture(_ name: String, _ path: String) throws(SeccompError) -> UInt32 {
        let prefix = "SCMP_ARCH_"
        let token = name.hasPrefix(prefix) ? seccomp_arch_resolve_name(name.dropFirst(prefix.count).lowercased()) : 0
        guard token != 0 else { throw SeccompError(path, "\"\(name)\" is no architecture that libseccomp knows") }
        return token
    }

    /// SECCOMP_RET_… and its data: EPERM where no number is given.
    private static func word(
        _ action: SeccompConfiguration.Action, _ number: UInt32?, _ path: String
    ) throws(SeccompError) -> UInt32 {
        let data = number ?? UInt32(EPERM)
        guard data <= UInt16.max else { throw SeccompError(path, "\(data) is more than \(UInt16.max)") }
        return switch action {
        case .kill, .killThread: 0
        case .killProcess: 0x8000_0000
        case .trap: 0x0003_0000
        case .errno: 0x0005_0000 | data
        case .notify: 0x7fc0_0000
        case .trace: 0x7ff0_0000 | data
        case .log: 0x7ffc_0000
        case .allow: 0x7fff_0000
        }
    }

    /// The conditions under which a rule holds, each a list of which all must hold: several about one argument are
    /// alternatives, and then all the others too.
    private static func alternatives(
        _ arguments: [SeccompConfiguration.Argument], _ path: String
    ) throws(SeccompError) -> [[scmp_arg_cmp]] {
        var conditions: [scmp_arg_cmp] = []
        for (index, argument) in arguments.enumerated() {
            guard argument.index < 6 else {
                throw SeccompError("\(path).args[\(index)].index", "a call has 6 arguments")
            }
            conditions.append(
                scmp_arg_cmp(
                    arg: argument.index, op: comparison(argument.op), datum_a: argument.value,
                    datum_b: argument.valueTwo ?? 0))
        }
        return Set(arguments.map(\.index)).count < arguments.count ? conditions.map { [$0] } : [conditions]
    }

    private static func comparison(_ op: SeccompConfiguration.Operator) -> scmp_compare {
        switch op {
        case .notEqual: SCMP_CMP_NE
        case .less: SCMP_CMP_LT
        case .lessOrEqual: SCMP_CMP_LE
        case .equal: SCMP_CMP_EQ
        case .greaterOrEqual: SCMP_CMP_GE
        case .greater: SCMP_CMP_GT
        case .maskedEqual: SCMP_CMP_MASKED_EQ
        }
    }

    private static func check(
        _ result: Int32, _ path: @autoclosure () -> String, _ operation: @autoclosure () -> String
    ) throws(SeccompError) {
        if result < 0 { throw SeccompError(path(), SystemError(operation(), errno: -result).description) }
    }
}

extension SeccompFilter {
    /// The architectures that libseccomp knows, by the specification's names.
    public static var architectureNames: [String] {
        [
            "x86", "x86_64", "x32", "arm", "aarch64", "mips", "mips64", "mips64n32", "mipsel", "mipsel64",
            "mipsel64n32",
            "ppc", "ppc64", "ppc64le", "s390", "s390x", "parisc", "parisc64", "riscv64",
        ].filter { name in name.withCString { seccomp_arch_resolve_name($0) } != 0 }.map {
            "SCMP_ARCH_" + $0.uppercased()
        }
    }
}
