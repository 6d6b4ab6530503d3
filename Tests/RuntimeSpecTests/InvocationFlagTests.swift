import RuntimeSpec
import Testing

/// Flags of runc with words of their own.
@Suite struct InvocationFlagTests {
    private func parse(_ line: String) throws -> RuntimeCommand {
        try RuntimeInvocation(parsing: line.split(separator: " ").map(String.init)[...]).command
    }

    private func options(_ line: String) throws -> RunOptions? {
        guard case .run(_, _, let options) = try parse(line) else { return nil }
        return options
    }

    @Test func run() throws {
        let usual = try #require(try options("run c"))
        #expect(!usual.isDetached && !usual.keeps && usual.isSubreaper)
        let other = try #require(try options("run --detach --keep --no-subreaper c"))
        #expect(other.isDetached && other.keeps && !other.isSubreaper)
    }

    /// Go's time.ParseDuration, which runc has for `--interval`.
    @Test(arguments: [
        ("1m30s", 90_000), ("1.5s", 1500), (".5s", 500), ("1.s", 1000), ("+2h45m", 9_900_000), ("1ns", 1),
        ("1500us", 2), ("1500\u{b5}s", 2), ("1h0.5s20ms", 3_600_520), ("2540400h", 3_600_000_000_000),
        ("99999999999999999999h", 3_600_000_000_000),
    ])
    func durations(text: String, milliseconds: Int) throws {
        #expect(
            try parse("events --interval \(text) c")
                == .events(id: "c", intervalMilliseconds: milliseconds, once: false))
    }

    @Test(arguments: [
        "0s", "5", "s", "-5s", "1m 30s", "1..5s", "1.5", "5sm", "1e3s", "infs", "0x5s", "\u{665}s", "5s5",
    ])
    func noDurations(text: String) {
        #expect(throws: InvocationError.self) {
            try RuntimeInvocation(parsing: ["events", "--interval", text, "c"])
        }
    }

    @Test func flagsWithoutEffectAreTaken() throws {
        guard case .exec(_, let exec) = try parse("--debug --criu x exec --no-subreaper c ls") else {
            Issue.record("no exec")
            return
        }
        #expect(exec.arguments == ["ls"])
        guard case .update(_, let update) = try parse("update --l3-cache-schema= --mem-bw-schema= c") else {
            Issue.record("no update")
            return
        }
        #expect(update.resources == LinuxResources())
    }

    @Test(arguments: ["l3-cache-schema", "mem-bw-schema"])
    func intelRDTIsRefused(name: String) {
        let error = #expect(throws: InvocationError.self) { try parse("update --\(name) L3:0=f c") }
        #expect(error?.description == "--\(name): Intel RDT is not supported")
    }
}
