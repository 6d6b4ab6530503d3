import Glibc
import RuntimeProtocol
import RuntimeSpec
import Seccomp
import Testing

/// Docker's profile in OCI's form, and what it lets through.
@Suite struct DockerProfileTests {
    static let usual: UInt64 = 0xa804_25fb

    private func machine(_ choice: SeccompChoice, _ capabilities: UInt64 = usual) throws -> FilterMachine {
        try FilterMachine(#require(choice.configuration(capabilities: capabilities)))
    }

    @Test func defaultProfile() throws {
        let machine = try machine(.dockerDefault)
        let newUser: UInt64 = 0x1000_0000
        let cases: [(String, [UInt64], UInt32)] = [
            ("read", [], Verdict.allow), ("execve", [], Verdict.allow), ("mount", [], Verdict.errno(1)),
            ("unshare", [newUser], Verdict.errno(1)), ("clone", [17], Verdict.allow),
            ("clone", [newUser | 17], Verdict.errno(1)), ("clone3", [], Verdict.errno(UInt32(ENOSYS))),
            ("socket", [2], Verdict.allow), ("socket", [38], Verdict.errno(1)), ("socket", [39], Verdict.allow),
            ("socket", [40], Verdict.errno(1)), ("socket", [41], Verdict.allow), ("personality", [8], Verdict.allow),
            ("personality", [0x40000], Verdict.errno(1)), ("chroot", [], Verdict.allow),
            ("reboot", [], Verdict.errno(1)),
        ]
        for (call, arguments, expected) in cases {
            #expect(try machine.verdict(call, arguments) == expected, "\(call) \(arguments)")
        }
        // mseal, and what is newer than the profile.
        #expect(try machine.verdict(number: 462) == Verdict.allow)
        #expect(try machine.verdict(number: 469) == Verdict.errno(UInt32(ENOSYS)))
        #if arch(x86_64)
            // mount on x86, getpid on x32.
            #expect(try machine.verdict(number: 21, architecture: 0x4000_0003) == Verdict.errno(1))
            #expect(try machine.verdict(number: 20, architecture: 0x4000_0003) == Verdict.allow)
            #expect(try machine.verdict(number: 0x4000_0000 | 39) == Verdict.allow)
            #expect(try machine.verdict(number: 0x4000_0000 | 462) == Verdict.allow)
        #endif
    }

    @Test func capabilitiesBringCalls() throws {
        let machine = try machine(.dockerDefault, Capability.all)
        for call in ["mount", "unshare", "clone3", "reboot", "bpf"] {
            #expect(try machine.verdict(call, [0x1000_0000]) == Verdict.allow, "\(call)")
        }
    }

    @Test func ownProfile() throws {
        let argument = SeccompProfile.Argument(index: 1, comparison: .maskedEqual, value: 0xf0, maskedValue: 0x20)
        let profile = SeccompProfile(
            defaultErrno: 13,
            rules: [.init(["read"]), .init(["write"], arguments: [argument]), .init(["dup"], action: .errno(9))])
        let machine = try machine(.profile(profile))
        #expect(try machine.verdict("read") == Verdict.allow)
        #expect(try machine.verdict("write", [0, 0x2f]) == Verdict.allow)
        #expect(try machine.verdict("write", [0, 0x3f]) == Verdict.errno(13))
        #expect(try machine.verdict("dup") == Verdict.errno(9))
        let configuration = profile.configuration
        #expect(configuration.defaultErrnoRet == 13)
        #expect(
            configuration.syscalls?[1]
                == .init(["write"], .allow, args: [.init(index: 1, value: 0xf0, valueTwo: 0x20, op: .maskedEqual)]))
    }

    @Test func unconfined() {
        #expect(SeccompChoice.unconfined.configuration(capabilities: Self.usual) == nil)
    }
}
