import Glibc

/// Gives a decoder broken inputs, thousands of them, and says what was wrong with what it made of them.
///
/// A decoder may refuse an input; it may not trap, take long, need much more memory than the input, or understand
/// something that it writes down as something else. Which inputs a decoder gets follows from the seed alone; how many,
/// from the time that it has.
public struct Fuzzer: Sendable {
    public let name: String
    public var seed: UInt64 = 1
    /// Inputs at most; nil for as many as there is time for.
    public var inputLimit: Int? = 20_000
    /// The time that all inputs together may take, in nanoseconds of this thread.
    public var time: UInt64 = 1_000_000_000
    /// The time that one input may take, in nanoseconds of this thread.
    public var inputTime: UInt64 = 1_000_000_000
    /// The file that gets each input before it is decoded: the last one is there still after a trap.
    public var trace: String?
    /// By how much the process may grow meanwhile, in bytes; nil where others allocate as well.
    public var growth: Int?

    /// A process that hangs ends: after ten times what a decoder was given, and after so many seconds at least.
    private static let patience: UInt64 = 120

    /// Whole inputs that are kept to make broken ones of, beside the examples.
    private static let keptLimit = 64

    /// Nothing is to be done.
    public var isLeftOut = false
    /// Whether it says what it did.
    public var isTold = false

    /// Bounded as a test is; a long run (scripts/fuzz) says otherwise in the environment: `MARTLET_FUZZ_SECONDS` for
    /// each decoder, `MARTLET_FUZZ_SEED`, `MARTLET_FUZZ_ONLY` for those with this in their names, and
    /// `MARTLET_FUZZ_TRACE` for where the input under way is written.
    public init(_ name: String) {
        self.name = name
        func variable(_ name: String) -> String? {
            getenv("MARTLET_FUZZ_" + name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        guard let seconds = variable("SECONDS").flatMap(UInt64.init) else { return }
        (time, inputLimit, growth, isTold) = (seconds * 1_000_000_000, nil, 256 << 20, true)
        if let seed = variable("SEED").flatMap(UInt64.init) { self.seed = seed }
        if let only = variable("ONLY") { isLeftOut = !name.contains(only) }
        trace = variable("TRACE")
    }

    /// What a decoder was given.
    public struct Report: Sendable, CustomStringConvertible {
        public var name: String
        public var inputs = 0
        /// Inputs that the decoder took.
        public var taken = 0
        /// What was wrong, with the input in hexadecimal; nil where nothing was.
        public var finding: String?

        public var description: String {
            finding ?? "\(name): \(inputs) inputs, \(taken) of them taken"
        }
    }

    /// Gives them to a decoder.
    ///
    /// - Parameters:
    ///   - examples: whole inputs, which the decoder has to take.
    ///   - encode: what is decoded is encoded, and has to decode to something equal.
    public func run<Value: Equatable>(
        _ examples: [[UInt8]], decode: ([UInt8]) throws -> Value, encode: (Value) throws -> [UInt8]
    ) -> Report {
        run(examples) { input in
            guard let value = try? decode(input) else { return .refused }
            do {
                return try decode(encode(value)) == value ? .taken : .wrong("it decodes to something else again")
            } catch {
                return .wrong("what was made of it is refused: \(error)")
            }
        }
    }

    /// What became of one input.
    public enum Verdict: Equatable {
        case taken, refused
        case wrong(String)
    }

    /// Gives them to a check.
    public func run(_ examples: [[UInt8]], check: ([UInt8]) -> Verdict) -> Report {
        guard !isLeftOut else { return Report(name: name) }
        // Who hangs does not come back to say so.
        if isTold { alarm(UInt32(max(Self.patience, 10 * time / 1_000_000_000))) }
        let report = examine(examples, check)
        if isTold {
            alarm(0)
            print(report)
            fflush(nil)
        }
        return report
    }

    private func examine(_ examples: [[UInt8]], _ check: ([UInt8]) -> Verdict) -> Report {
        var report = Report(name: name)
        var mutator = InputMutator(seed: seed)
        var kept = examples
        let begin = Self.threadTime
        let memory = Self.peakMemory
        func failed(_ reason: String, _ input: [UInt8]) -> Report {
            report.finding = "\(name), seed \(seed), input \(report.inputs): \(reason): \(Self.hexadecimal(input))"
            return report
        }
        for example in examples {
            switch check(example) {
            case .taken: break
            case .refused: return failed("a whole input is refused", example)
            case .wrong(let reason): return failed(reason, example)
            }
        }
        while report.inputs < inputLimit ?? .max, Self.threadTime - begin < time {
            let input = mutator.mutate(kept)
            report.inputs += 1
            write(input)
            let start = Self.threadTime
            let verdict = check(input)
            let duration = Self.threadTime - start
            guard duration <= inputTime else { return failed("it took \(duration / 1_000_000) ms", input) }
            if let growth, Self.peakMemory - memory > growth { return failed("memory went beyond its bound", input) }
            switch verdict {
            case .refused: break
            case .wrong(let reason): return failed(reason, input)
            case .taken:
                report.taken += 1
                // What was taken although it is another leads further.
                if kept.count < examples.count + Self.keptLimit {
                    kept.append(input)
                } else if report.taken % 16 == 0 {
                    kept[examples.count + report.taken / 16 % Self.keptLimit] = input
                }
            }
        }
        return report
    }

    /// In nanoseconds.
    private static var threadTime: UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }

    /// The most memory that the process has had, in bytes.
    private static var peakMemory: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1_024
    }

    private static func hexadecimal(_ input: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: input.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    private func write(_ input: [UInt8]) {
        guard let trace, let file = fopen(trace, "w") else { return }
        _ = fwrite(input, 1, input.count, file)
        fclose(file)
    }
}
