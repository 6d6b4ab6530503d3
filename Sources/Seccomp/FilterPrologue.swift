import Glibc

/// Instructions before those of libseccomp, for calls that it is too old to know: what the profile says of them, and
/// ENOSYS for calls that are newer than any that the profile names. Who wrote the profile did not know those, and with
/// ENOSYS C libraries fall back to older calls instead of taking a refusal for an answer.
///
/// They are of those kinds by which the kernel finds out beforehand that a call always passes.
enum FilterPrologue {
    /// An architecture of the filter.
    struct Architecture {
        /// As libseccomp names it.
        let token: UInt32
        /// The greatest number that the profile names there; nil where newer calls are left to the filter.
        var newest: UInt32?
    }

    /// An answer to a call whose number is the same everywhere, as all from 424 on.
    struct Answer {
        let call: UInt32
        let action: UInt32
    }

    private enum Step {
        case load(UInt32)
        case and(UInt32)
        case answer(UInt32)
        /// Goes on with the next step where the comparison holds, or skips so many.
        case when(Comparison, UInt32, otherwiseSkip: UInt8)
        case goToAnswers
        case goToEnd
    }

    /// BPF_JMP with a constant (linux/bpf_common.h).
    private enum Comparison: UInt8 {
        case equal = 0x15
        case greater = 0x25
        case hasBits = 0x45
    }

    /// Offsets in struct seccomp_data.
    private static let number: UInt32 = 0
    private static let architecture: UInt32 = 4

    private static let x86: UInt32 = 0xc000_003e
    /// libseccomp's own token: for the kernel x32's calls are those of x86_64 with a bit.
    static let x32: UInt32 = 0x4000_003e
    static let x32Bit: UInt32 = 0x4000_0000
    /// MIPS counts from 4000, 5000 or 6000; no machine runs its programs and others.
    private static let mips: UInt32 = 8
    private static let noSuchCall: UInt32 = 0x0005_0000 | UInt32(ENOSYS)

    /// Instructions of 8 bytes each; calls that they do not answer go on behind them.
    static func assemble(_ architectures: [Architecture], _ answers: [Answer]) -> [UInt8] {
        guard !answers.isEmpty || architectures.contains(where: { $0.newest != nil }) else { return [] }
        var steps = [Step.load(architecture)]
        for entry in architectures where entry.token != x32 && entry.token & 0xffff != mips {
            let section = section(entry, beside: architectures.first { $0.token == x32 })
            steps += [.when(.equal, entry.token, otherwiseSkip: UInt8(section.count))] + section
        }
        steps.append(.goToEnd)
        let first = steps.count
        for answer in answers {
            steps += [.when(.equal, answer.call, otherwiseSkip: 1), .answer(answer.action)]
        }
        return steps.indices.flatMap { bytes(steps[$0], toAnswers: first - $0 - 1, toEnd: steps.count - $0 - 1) }
    }

    /// What is done for calls of one architecture.
    private static func section(_ architecture: Architecture, beside x32: Architecture?) -> [Step] {
        var steps = [Step.load(number)]
        if architecture.token == x86 {
            let other = x32.map { limit($0) + [.and(~x32Bit), .goToAnswers] } ?? [.goToEnd]
            steps += [.when(.hasBits, x32Bit, otherwiseSkip: UInt8(other.count))] + other
        }
        return steps + limit(architecture) + [.goToAnswers]
    }

    private static func limit(_ architecture: Architecture) -> [Step] {
        architecture.newest.map { [.when(.greater, $0, otherwiseSkip: 1), .answer(noSuchCall)] } ?? []
    }

    private static func bytes(_ step: Step, toAnswers: Int, toEnd: Int) -> [UInt8] {
        switch step {
        case .load(let offset): instruction(0x20, 0, offset)
        case .and(let mask): instruction(0x54, 0, mask)
        case .answer(let action): instruction(0x06, 0, action)
        case .when(let comparison, let value, let skip): instruction(comparison.rawValue, skip, value)
        case .goToAnswers: instruction(0x05, 0, UInt32(toAnswers))
        case .goToEnd: instruction(0x05, 0, UInt32(toEnd))
        }
    }

    /// struct sock_filter: code (2 bytes), jump if true, jump if false, value (linux/filter.h).
    private static func instruction(_ code: UInt8, _ no: UInt8, _ value: UInt32) -> [UInt8] {
        [code, 0, 0, no] + (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
}
