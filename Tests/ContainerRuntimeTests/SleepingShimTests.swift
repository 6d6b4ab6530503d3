import Cgroups
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing
import Values

@testable import ContainerShim

/// What a shim takes along when it sleeps, as values, and what comes of one that cannot be read.
struct SleepingShimTests {
    private static func state() throws -> SleepingShim {
        let text =
            #"{"version":1,"container":{"id":"a","hasTerminal":false,"hasInput":true,"#
            + #""closesInputAfterFirstClient":false,"endsWithFirstProcess":true,"#
            + #""log":{"path":"/l","maximumBytes":1,"maximumFiles":2}},"cgroups":[],"pid":77,"pidfd":3,"lock":4,"#
            + #""signals":5,"listener":6,"mountNamespace":7,"outputs":[{"kind":1,"descriptor":8},"#
            + #"{"kind":2,"descriptor":9}],"input":10,"log":11,"unfinishedOutput":[0,255],"#
            + #""unfinishedErrorOutput":[],"waiters":[12,13]}"#
        return try SleepingShim.decode(Array(text.utf8))
    }

    @Test func theTextIsReadAsItWasWritten() throws {
        let state = try Self.state()
        #expect(state.terminal == nil)
        #expect(state.unfinishedOutput == [0, 255])
        #expect(state.descriptors.sorted() == Array(3...13))
        #expect(try SleepingShim.decode(state.encoded()) == state)
        var whole = state
        whole.unfinishedOutput = [UInt8](repeating: 255, count: LogLines.longest - 1)
        whole.unfinishedErrorOutput = whole.unfinishedOutput
        whole.waiters = Array(100_000..<100_256)
        #expect(try whole.encoded().count < SleepingShim.limit)
    }

    @Test func theCommandLine() throws {
        var state = try Self.state()
        let options = try ShimOptions(["--run", "/r", "--data", "/d", "--cache", "/c"])
        #expect(
            state.arguments(program: 14, state: 15, options: options.words) == [
                "martlet-runtime", "shim", "--asleep", "14", "r5,r6,r8,r9,h12,h13", "--resume", "15", "--data", "/d",
                "--run", "/r", "--cache", "/c",
            ])
        var resumed = options
        resumed.resumed = 15
        #expect(try ShimOptions(["--resume", "15"] + options.words) == resumed)
        #expect(throws: ShimOptions.WrongOption.self) { try ShimOptions(["--resume", "2"] + options.words) }
        state.waiters = Array(100..<376)
        #expect(state.watches?.split(separator: ",").count == SleepingShim.watchLimit)
        state.waiters.append(376)
        #expect(state.arguments(program: 14, state: 15, options: []) == nil)
    }

    @Test func othersAreRefused() throws {
        let state = try Self.state()
        func message(_ change: (inout SleepingShim) -> Void) -> String {
            var changed = state
            change(&changed)
            do {
                _ = try SleepingShim.decode(changed.encoded())
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(message { _ in } == "")
        #expect(message { $0.version = 2 }.contains("version 2"))
        #expect(message { $0.signals = 2 }.contains("numbers"))
        #expect(message { $0.waiters = [5] }.contains("numbers"))
        #expect(message { $0.pid = 1 }.contains("numbers"))
        let text = try state.encoded()
        for count in stride(from: 0, to: text.count, by: 7) {
            #expect(throws: (any Error).self) { try SleepingShim.decode(Array(text[..<count])) }
        }
    }

    /// The same log comes out, wherever a sleep falls. A piece is its size and the places of its newlines.
    @Test(arguments: [
        [(1, []), (7, [3]), (5, [4]), (2, [0])],
        [(16_383, []), (1, []), (1, [0])], [(16_384, []), (1, [0])], [(16_385, [16_384]), (3, [])],
        [(40_000, []), (40_000, [39_999])], [(20_000, [100]), (20_000, [19_000]), (16_384, [0])],
        [(65_536, [5, 60_000]), (12_000, []), (30_000, [10_847, 10_849]), (9, [8])],
    ])
    func anUnfinishedLineGoesOn(pieces: [(size: Int, newlines: [Int])]) {
        let time = Timestamp(nanosecondsSinceEpoch: 0)
        var whole = LogLines(stream: "stdout")
        var split = LogLines(stream: "stdout")
        var rest = UnfinishedLine()
        var (expected, seen): ([UInt8], [UInt8]) = ([], [])
        for (size, newlines) in pieces {
            var piece = (0..<size).map { UInt8(0x61 + $0 % 26) }
            for place in newlines { piece[place] = 0x0a }
            piece.withUnsafeBytes {
                whole.take($0, time: time, into: &expected)
                split.take($0, time: time, into: &seen)
                rest.take($0)
            }
            #expect(rest.bytes.count < LogLines.longest)
            split = LogLines(stream: "stdout")
            rest.bytes.withUnsafeBytes { split.take($0, time: time, into: &seen) }
        }
        whole.finish(time: time, into: &expected)
        split.finish(time: time, into: &seen)
        #expect(seen == expected)
    }

    /// A shim that cannot read what it left says so, and leaves no container behind.
    @Test(.containers) func whatCannotBeReadIsRecorded() async throws {
        try await withContainers("lost") { box in
            let (data, run) = (box.directory.path("data/lost"), box.directory.path("run/lost"))
            for directory in [data, run] { try Files.makeDirectories(directory) }
            let group = try ControlGroups().group(box.groupName + "/lost")
            try group.create()
            let sleep = try #require(TestEnvironment.command("sleep"))
            let null = try Descriptor.open("/dev/null", O_RDWR)
            let pid = try ChildProcess.spawn(
                sleep, ["sleep", "1000"], environment: [], descriptors: [null.rawValue, null.rawValue, null.rawValue])
            try group.add(pid)
            let state = ShimState(version: 2, shimPid: 1, containerPid: pid, cgroups: group.directories)
            try Files.write(run + "/" + ShimFiles.state, JSONCoding.encode(state), mode: 0o600)
            let program = try #require(TestEnvironment.program("martlet-runtime"))
            // This process is the one that reaps.
            async let code = ChildProcess.wait(pid)
            let result = try await Command.run([program, "shim", "--resume", "9", "--data", data, "--run", run])
            #expect(result.code == 1)
            #expect(try await code == 137)
            let text = try Files.read(data + "/" + ShimFiles.exit)
            let record = try JSONCoding.decode(ExitRecord.self, from: text)
            #expect(record.code == 137)
            #expect(record.error?.contains("could not go on after a sleep") == true)
            #expect(group.directories.allSatisfy { !Files.exists($0.path) })
            #expect(!Files.exists(run + "/" + ShimFiles.state))
        }
    }
}
