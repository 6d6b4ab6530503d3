import Glibc
import RuntimeSpec
import Seccomp
import Testing

/// What filters say of calls, by running their instructions (config-linux.md: Seccomp).
@Suite struct CompilerTests {
    typealias Rule = SeccompConfiguration.Rule
    typealias Argument = SeccompConfiguration.Argument

    static let actions: [(SeccompConfiguration.Action, UInt32?, UInt32)] = [
        (.kill, nil, Verdict.killThread), (.killThread, nil, Verdict.killThread),
        (.killProcess, nil, Verdict.killProcess), (.trap, nil, Verdict.trap), (.errno, nil, Verdict.errno(1)),
        (.errno, 38, Verdict.errno(38)), (.errno, 0, Verdict.errno(0)), (.trace, nil, Verdict.trace(1)),
        (.trace, 77, Verdict.trace(77)), (.log, nil, Verdict.log), (.notify, nil, Verdict.notify),
        (.allow, nil, Verdict.allow),
    ]

    @Test(arguments: actions)
    func action(_ action: SeccompConfiguration.Action, _ number: UInt32?, _ expected: UInt32) throws {
        let fallback: SeccompConfiguration.Action = action == .allow ? .killProcess : .allow
        let rule = Rule(["chdir", "getcwd"], action, errnoRet: number)
        let machine = try FilterMachine(SeccompConfiguration(fallback, [rule]))
        #expect(try machine.verdict("chdir") == expected)
        #expect(try machine.verdict("getcwd") == expected)
        #expect(try machine.verdict("read") == (action == .allow ? Verdict.killProcess : Verdict.allow))
    }

    @Test(arguments: actions)
    func defaultAction(_ action: SeccompConfiguration.Action, _ number: UInt32?, _ expected: UInt32) throws {
        // The greatest number that is named is that of `futex_waitv`: those below it are older calls.
        let named: SeccompConfiguration.Action = action == .allow ? .errno : .allow
        let configuration = SeccompConfiguration(action, errnoRet: number, [Rule(["read", "futex_waitv"], named)])
        guard action != .notify else {
            #expect(throws: SeccompError.self) { _ = try SeccompFilter(compiling: configuration) }
            return
        }
        let machine = try FilterMachine(configuration)
        #expect(try machine.verdict("chdir") == expected)
        #expect(try machine.verdict("read") == (action == .allow ? Verdict.errno(1) : Verdict.allow))
    }

    /// Every operator, against Swift's own, below and above 32 bits.
    @Test(arguments: SeccompConfiguration.Operator.allCases)
    func comparison(_ op: SeccompConfiguration.Operator) throws {
        let values: [UInt64] = [0, 4, 5, 6, 0xffff_ffff, 0x1_0000_0004, 0x1_0000_0005, 0x2_0000_0000, .max]
        for limit in values {
            let argument = Argument(index: 2, value: limit, valueTwo: op == .maskedEqual ? limit & 5 : nil, op: op)
            let machine = try FilterMachine(
                SeccompConfiguration(.allow, [Rule(["read"], .errno, errnoRet: 9, args: [argument])]))
            for value in values {
                let holds =
                    switch op {
                    case .notEqual: value != limit
                    case .less: value < limit
                    case .lessOrEqual: value <= limit
                    case .equal: value == limit
                    case .greaterOrEqual: value >= limit
                    case .greater: value > limit
                    case .maskedEqual: value & limit == limit & 5
                    }
                let verdict = try machine.verdict("read", [limit, limit, value])
                #expect(verdict == (holds ? Verdict.errno(9) : Verdict.allow), "\(value) \(op.rawValue) \(limit)")
            }
        }
    }

    @Test func conditionsOnDifferentArgumentsMustAllHold() throws {
        let conditions = [Argument(index: 0, value: 1, op: .equal), Argument(index: 1, value: 2, op: .equal)]
        let machine = try FilterMachine(SeccompConfiguration(.errno, [Rule(["write"], .allow, args: conditions)]))
        #expect(try machine.verdict("write", [1, 2]) == Verdict.allow)
        #expect(try machine.verdict("write", [1, 3]) == Verdict.errno(1))
        #expect(try machine.verdict("write", [2, 2]) == Verdict.errno(1))
    }

    /// As in runc: one argument twice makes alternatives of all conditions.
    @Test func conditionsOnOneArgumentAreAlternatives() throws {
        let conditions = [
            Argument(index: 0, value: 1, op: .equal), Argument(index: 0, value: 7, op: .equal),
            Argument(index: 1, value: 2, op: .equal),
        ]
        let machine = try FilterMachine(SeccompConfiguration(.errno, [Rule(["write"], .allow, args: conditions)]))
        #expect(try machine.verdict("write", [1, 0]) == Verdict.allow)
        #expect(try machine.verdict("write", [7, 0]) == Verdict.allow)
        #expect(try machine.verdict("write", [3, 2]) == Verdict.allow)
        #expect(try machine.verdict("write", [3, 3]) == Verdict.errno(1))
    }

    @Test func rulesOfOneCallWithDifferentAnswers() throws {
        let rules = [
            Rule(["personality"], .allow, args: [Argument(index: 0, value: 0, op: .equal)]),
            Rule(["personality"], .errno, errnoRet: 22, args: [Argument(index: 0, value: 8, op: .equal)]),
            // What holds anyway; libseccomp would refuse it.
            Rule(["personality", "futex_waitv"], .errno),
        ]
        let machine = try FilterMachine(SeccompConfiguration(.errno, rules))
        #expect(try machine.verdict("personality", [0]) == Verdict.allow)
        #expect(try machine.verdict("personality", [8]) == Verdict.errno(22))
        #expect(try machine.verdict("personality", [9]) == Verdict.errno(1))
    }

    @Test func sameRuleTwice() throws {
        let machine = try FilterMachine(
            SeccompConfiguration(.errno, [Rule(["read", "read"], .allow), Rule(["read"], .allow)]))
        #expect(try machine.verdict("read") == Verdict.allow)
    }

    @Test func unknownCallsAreLeftOut() throws {
        let machine = try FilterMachine(
            SeccompConfiguration(.errno, [Rule(["no_such_call", "socketcall", "read"], .allow)]))
        #expect(try machine.verdict("read") == Verdict.allow)
    }

    @Test func noRulesAtAll() throws {
        #expect(try FilterMachine(SeccompConfiguration(.errno, errnoRet: 5)).verdict("read") == Verdict.errno(5))
        #expect(try FilterMachine(SeccompConfiguration(.allow)).verdict("read") == Verdict.allow)
    }

    // MARK: Calls that libseccomp may not know

    /// Calls between those of the profile are refused, those beyond do not exist yet for it.
    @Test func newerCalls() throws {
        let rules = [Rule(["read", "statmount"], .allow), Rule(["mseal"], .errno, errnoRet: 7)]
        for fallback in [SeccompConfiguration.Action.errno, .killProcess, .trap] {
            let machine = try FilterMachine(SeccompConfiguration(fallback, rules))
            let refused = try machine.verdict("chdir")
            #expect(refused != Verdict.allow && refused != Verdict.errno(UInt32(ENOSYS)))
            #expect(try machine.verdict(number: 457) == Verdict.allow)
            #expect(try machine.verdict(number: 458) == refused)
            #expect(try machine.verdict(number: 462) == Verdict.errno(7))
            #expect(try machine.verdict(number: 463) == Verdict.errno(UInt32(ENOSYS)))
            #expect(try machine.verdict(number: 5000) == Verdict.errno(UInt32(ENOSYS)))
        }
        for fallback in [SeccompConfiguration.Action.allow, .log, .trace] {
            let machine = try FilterMachine(SeccompConfiguration(fallback, rules))
            #expect(try machine.verdict(number: 462) == Verdict.errno(7))
            #expect(try machine.verdict(number: 457) == Verdict.allow)
            #expect(try machine.verdict(number: 463) == machine.verdict("chdir"))
        }
    }

    // MARK: Architectures

    #if arch(x86_64)
        static let x86: UInt32 = 0x4000_0003
        static let x32Bit: UInt32 = 0x4000_0000

        @Test func architectures() throws {
            // read: 0 on x86_64 and x32, 3 on x86; readv: 19 on x86_64, 515 on x32, 145 on x86.
            let rules = [Rule(["read", "readv", "mseal"], .allow)]
            let all = try FilterMachine(
                SeccompConfiguration(
                    .errno, architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], rules))
            for (number, architecture) in [
                (0 as UInt32, nil as UInt32?), (19, nil), (462, nil), (3, Self.x86), (145, Self.x86), (462, Self.x86),
                (Self.x32Bit, nil), (Self.x32Bit | 515, nil), (Self.x32Bit | 462, nil),
            ] {
                let verdict = try all.verdict(number: number, architecture: architecture ?? 0xc000_003e)
                #expect(verdict == Verdict.allow, "\(number)")
            }
            let absent = Verdict.errno(UInt32(ENOSYS))
            #expect(try all.verdict(number: 1) == Verdict.errno(1))
            #expect(try all.verdict(number: 463) == absent)
            #expect(try all.verdict(number: 4, architecture: Self.x86) == Verdict.errno(1))
            #expect(try all.verdict(number: 463, architecture: Self.x86) == absent)
            // x32's own calls end with 547.
            #expect(try all.verdict(number: Self.x32Bit | 463) == Verdict.errno(1))
            #expect(try all.verdict(number: Self.x32Bit | 548) == absent)
        }

        /// What a filter is not for is ended, whatever the call.
        @Test func otherArchitecturesAreKilled() throws {
            let rules = [Rule(["read", "mseal"], .allow)]
            for names in [nil, ["SCMP_ARCH_X86_64"]] {
                let machine = try FilterMachine(SeccompConfiguration(.errno, architectures: names, rules))
                #expect(try machine.verdict(number: 462) == Verdict.allow)
                for number: UInt32 in [0, 3, 462, 463] {
                    #expect(try machine.verdict(number: number, architecture: Self.x86) == Verdict.killThread)
                    #expect(try machine.verdict(number: Self.x32Bit | number) == Verdict.killThread)
                }
            }
        }

        /// This machine's own architecture is there without being named.
        @Test func foreignArchitectureBesideTheOwn() throws {
            let machine = try FilterMachine(
                SeccompConfiguration(.errno, architectures: ["SCMP_ARCH_AARCH64"], [Rule(["read"], .allow)]))
            #expect(try machine.verdict("read") == Verdict.allow)
            #expect(try machine.verdict(number: 63, architecture: 0xc000_00b7) == Verdict.allow)
        }
    #endif

    // MARK: Bad input

    @Test func errorsNameTheMember() {
        let rule = Rule(["read"], .errno)
        var large = rule
        large.errnoRet = 65536
        let odd = Rule(["read"], .allow, args: [Argument(index: 6, value: 0, op: .equal)])
        let cases: [(SeccompConfiguration, String)] = [
            (SeccompConfiguration(.notify), "linux.seccomp.defaultAction: "),
            (SeccompConfiguration(.errno, errnoRet: 65536), "linux.seccomp.defaultErrnoRet: 65536"),
            (
                SeccompConfiguration(.allow, architectures: ["SCMP_ARCH_ARM", "SCMP_ARCH_Z80"]),
                "linux.seccomp.architectures[1]: \"SCMP_ARCH_Z80\""
            ),
            (SeccompConfiguration(.allow, architectures: ["x86"]), "linux.seccomp.architectures[0]: \"x86\""),
            // Bytes the other way round.
            (
                SeccompConfiguration(.allow, architectures: ["SCMP_ARCH_PPC"]),
                "linux.seccomp.architectures[0]: seccomp_"
            ),
            (SeccompConfiguration(.allow, flags: ["X"]), "linux.seccomp.flags[0]: \"X\""),
            (SeccompConfiguration(.allow, [rule, large]), "linux.seccomp.syscalls[1].errnoRet: 65536"),
            (SeccompConfiguration(.errno, [odd]), "linux.seccomp.syscalls[0].args[0].index: "),
        ]
        for (configuration, expected) in cases {
            let error = #expect(throws: SeccompError.self) { _ = try SeccompFilter(compiling: configuration) }
            #expect(error?.description.hasPrefix(expected) == true, "\(error?.description ?? "")")
        }
    }

    @Test func moreThanTheKernelTakes() {
        let rules = (0..<2000).map {
            Rule(["read"], .errno, args: [Argument(index: 0, value: UInt64($0) << 32 | UInt64($0), op: .equal)])
        }
        let error = #expect(throws: SeccompError.self) {
            _ = try SeccompFilter(compiling: SeccompConfiguration(.allow, rules))
        }
        #expect(error?.description.contains("the kernel takes 4096") == true, "\(error?.description ?? "")")
    }

    // MARK: Flags and bytes

    @Test func flags() throws {
        let notify = [Rule(["read"], .notify)]
        let killable = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]
        let cases: [([String]?, [Rule], UInt32)] = [
            (nil, [], 4), ([], [], 0), (nil, notify, 4 | 8), ([], notify, 8),
            (["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"], [], 2 | 4),
            (["SECCOMP_FILTER_FLAG_TSYNC"], [], 0), (killable, [], 0), (killable, notify, 8 | 32),
        ]
        for (names, rules, expected) in cases {
            let filter = try SeccompFilter(compiling: SeccompConfiguration(.allow, flags: names, rules))
            #expect(filter.flags == expected)
            #expect(filter.needsListener == !rules.isEmpty)
        }
    }

    @Test func bytes() throws {
        let filter = try SeccompFilter(
            compiling: SeccompConfiguration(.allow, flags: ["SECCOMP_FILTER_FLAG_LOG"], [Rule(["read"], .notify)]))
        #expect(Array(filter.bytes[..<4]) == [10, 0, 0, 0])
        #expect(SeccompFilter(bytes: filter.bytes) == filter)
        for count in [0, 3, 4, 11, filter.bytes.count - 1] {
            #expect(SeccompFilter(bytes: Array(filter.bytes[..<count])) == nil)
        }
        #expect(SeccompFilter(bytes: [UInt8](repeating: 0, count: SeccompFilter.byteLimit + 8)) == nil)
    }
}
