import EngineModel
import JSON
import RuntimeProtocol
import RuntimeSpec

extension SeccompProfile {
    /// Reads a profile in Docker's form (seccomp.json), as its clients send it, for a process with `capabilities`.
    ///
    /// Rules whose `includes` or `excludes` name other capabilities are left out; those for other architectures too.
    init(docker text: String, capabilities: UInt64) throws(EngineError) {
        func invalid(_ reason: String) -> EngineError {
            EngineError(.invalidParameter, "Decoding seccomp profile failed: \(reason)")
        }
        guard let profile = try? JSONValue(parsing: text), profile.object != nil else {
            throw invalid("not a JSON object")
        }
        guard let fallback = Self.action(profile["defaultAction"]?.string, profile["defaultErrnoRet"]?.integer) else {
            throw invalid("unknown defaultAction")
        }
        guard case .errno(let errno) = fallback else {
            throw invalid("a profile that allows by default is not supported: list what is allowed instead")
        }
        var rules: [Rule] = []
        for entry in profile["syscalls"]?.array ?? [] {
            guard Self.holds(entry["includes"], capabilities, default: true),
                !Self.holds(entry["excludes"], capabilities, default: false)
            else { continue }
            guard let action = Self.action(entry["action"]?.string, entry["errnoRet"]?.integer) else {
                throw invalid("unknown action \(entry["action"]?.string ?? "")")
            }
            let calls = entry["names"]?.array?.compactMap(\.string) ?? [entry["name"]?.string].compactMap { $0 }
            var arguments: [Argument] = []
            for argument in entry["args"]?.array ?? [] {
                guard let index = argument["index"]?.integer, (0..<6).contains(index),
                    let read = Self.argument(UInt32(index), argument)
                else { throw invalid("unknown argument condition") }
                arguments.append(read)
            }
            rules.append(Rule(calls, action: action, arguments: arguments))
        }
        self.init(defaultErrno: errno, rules: rules)
    }

    private static func action(_ name: String?, _ errno: Int64?) -> Action? {
        switch name {
        case "SCMP_ACT_ALLOW", "SCMP_ACT_LOG": .allow
        case "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP":
            .errno(Int32(truncatingIfNeeded: errno ?? 1))
        default: nil
        }
    }

    private static func argument(_ index: UInt32, _ value: JSONValue) -> Argument? {
        func number(_ name: String) -> UInt64 {
            if let integer = value[name]?.integer { return UInt64(bitPattern: integer) }
            return value[name]?.number.flatMap { UInt64(exactly: $0) } ?? 0
        }
        let comparison: Argument.Comparison
        switch value["op"]?.string {
        case "SCMP_CMP_EQ": comparison = .equal
        case "SCMP_CMP_NE": comparison = .notEqual
        case "SCMP_CMP_LT": comparison = .less
        case "SCMP_CMP_GT": comparison = .greater
        case "SCMP_CMP_MASKED_EQ": comparison = .maskedEqual
        default: return nil
        }
        return Argument(
            index: index, comparison: comparison, value: number("value"), maskedValue: number("valueTwo"))
    }

    /// Whether a rule's condition holds: all capabilities that it names are there, and the architecture is this one.
    private static func holds(_ condition: JSONValue?, _ capabilities: UInt64, default fallback: Bool) -> Bool {
        guard let condition, let members = condition.object, !members.isEmpty else { return fallback }
        var holds = fallback
        if let names = condition["caps"]?.array {
            holds = names.allSatisfy { Capability.bit(of: $0.string ?? "").map { capabilities & $0 != 0 } ?? false }
        }
        if let names = condition["arches"]?.array {
            #if arch(x86_64)
                let own: Set = ["amd64", "x86", "x32"]
            #else
                let own: Set = ["arm64", "arm"]
            #endif
            let isOwn = names.contains { own.contains($0.string ?? "") }
            holds = fallback ? holds && isOwn : holds || isOwn
        }
        return holds
    }
}
