import RuntimeSpec

extension SeccompChoice {
    /// What is to be compiled for a process that holds `capabilities`; nil where nothing is filtered.
    public func configuration(capabilities: UInt64) -> SeccompConfiguration? {
        switch self {
        case .unconfined: nil
        case .dockerDefault: SeccompProfile.dockerDefault(capabilities: capabilities).configuration
        case .profile(let profile): profile.configuration
        }
    }
}

extension SeccompProfile {
    /// The profile in OCI's form, for every architecture whose programs this machine runs.
    public var configuration: SeccompConfiguration {
        var configuration = SeccompConfiguration(defaultAction: .errno)
        configuration.defaultErrnoRet = UInt32(bitPattern: defaultErrno)
        #if arch(x86_64)
            configuration.architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
        #elseif arch(arm64)
            configuration.architectures = ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
        #endif
        configuration.syscalls = rules.map(\.configuration)
        return configuration
    }
}

extension SeccompProfile.Rule {
    var configuration: SeccompConfiguration.Rule {
        let conditions = arguments.isEmpty ? nil : arguments.map(\.configuration)
        return switch action {
        case .allow: SeccompConfiguration.Rule(calls, .allow, args: conditions)
        case .errno(let number):
            SeccompConfiguration.Rule(calls, .errno, errnoRet: UInt32(bitPattern: number), args: conditions)
        }
    }
}

extension SeccompProfile.Argument {
    var configuration: SeccompConfiguration.Argument {
        let op: SeccompConfiguration.Operator =
            switch comparison {
            case .equal: .equal
            case .notEqual: .notEqual
            case .less: .less
            case .greater: .greater
            case .maskedEqual: .maskedEqual
            }
        return SeccompConfiguration.Argument(
            index: index, value: value, valueTwo: comparison == .maskedEqual ? maskedValue : nil, op: op)
    }
}
