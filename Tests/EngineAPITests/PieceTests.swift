import EngineModel
import HTTPMessages
import JSON
import Testing
import Values

@testable import EngineAPI

/// The small pure parts: routes, filters, keys, times.
@Suite struct PieceTests {
    @Test func routesTakeNamesWithSlashes() {
        var router = Router()
        router.on("GET", "images/json") { _ in .ok }
        router.on("GET", "images/{name...}/json") { _ in .ok }
        router.on("DELETE", "images/{name...}") { _ in .ok }
        #expect(router.find("GET", ["images", "json"])?.parameters == [:])
        #expect(router.find("GET", ["images", "a", "b", "json"])?.parameters == ["name": "a/b"])
        #expect(router.find("DELETE", ["images", "localhost:5000", "x"])?.parameters == ["name": "localhost:5000/x"])
        #expect(router.find("HEAD", ["images", "json"]) != nil)
        #expect(router.find("POST", ["images", "json"]) == nil)
        #expect(router.find("GET", ["images"]) == nil)
        #expect(router.find("GET", []) == nil)
    }

    @Test func versionsAreSplitOff() throws {
        #expect(try APIVersion.split(["v1.41", "info"]).minor == 41)
        #expect(try APIVersion.split(["info"]).minor == 51)
        #expect(try APIVersion.split(["volumes"]).path == ["volumes"])
        #expect(throws: EngineError.self) { try APIVersion.split(["v2.0", "info"]) }
        #expect(throws: EngineError.self) { try APIVersion.split(["v1.9", "info"]) }
    }

    @Test func detachKeysAreFoundAtEverySplit() throws {
        let text: [UInt8] = [0x61, 16, 0x62, 16, 16, 17, 0x63]
        for split in 0...text.count {
            var keys = DetachKeys.standard
            let first = keys.feed(Array(text[..<split]))
            if first.isDetached { continue }
            let second = keys.feed(Array(text[split...]))
            #expect(second.isDetached)
            #expect(first.passed + second.passed == [0x61, 16, 0x62, 16])
        }
        var other = try DetachKeys(parsing: "ctrl-a,x")
        #expect(other.feed([1, 0x78]).isDetached)
        for text in ["", "ctrl-", "ctrl-!", "abc"] {
            #expect(throws: EngineError.self) { try DetachKeys(parsing: text) }
        }
    }

    @Test func timesAreRead() {
        #expect(Timestamp(dockerText: "1700000000")?.secondsSinceEpoch == 1_700_000_000)
        #expect(Timestamp(dockerText: "1700000000.000000123")?.nanosecondsSinceEpoch == 1_700_000_000_000_000_123)
        #expect(Timestamp(dockerText: "2026-01-01T00:00:00Z") != nil)
        #expect(Timestamp(dockerText: "yesterday") == nil)
        #expect(
            Timestamp(secondsSinceEpoch: 0, nanoseconds: 5).preciseDescription == "1970-01-01T00:00:00.000000005Z")
    }

    @Test func containersAreFiltered() throws {
        let running = ShapeTests.record()
        var ended = running
        ended.state.status = .exited
        ended.state.exitCode = 3
        func count(_ filters: [String: [String]], all: Bool = true, limit: Int? = nil) throws -> Int {
            try ContainerFilter(ObjectFilters(values: filters), all: all, limit: limit).apply([running, ended]).count
        }
        #expect(try count([:]) == 2)
        #expect(try count([:], all: false) == 1)
        #expect(try count([:], all: false, limit: 5) == 2)
        #expect(try count([:], limit: 1) == 1)
        #expect(try count(["status": ["exited"]], all: false) == 1)
        #expect(try count(["exited": ["3"]]) == 1)
        #expect(try count(["exited": ["0"]]) == 0)
        #expect(try count(["name": ["^/web$"]]) == 2)
        #expect(try count(["name": ["^eb"]]) == 0)
        #expect(try count(["label": ["tier=front"]]) == 2)
        #expect(try count(["label": ["tier=back"]]) == 0)
        #expect(try count(["health": ["healthy"]]) == 2)
        #expect(try count(["volume": ["data"]]) == 2)
        #expect(try count(["network": ["bridge"]]) == 2)
        #expect(throws: EngineError.self) { try count(["nonsense": ["x"]]) }
        #expect(throws: EngineError.self) { try count(["status": ["asleep"]]) }
    }

    @Test func referencesMatchPatterns() {
        #expect(ReferencePattern.matches("busybox", "busybox:latest"))
        #expect(ReferencePattern.matches("busy*:l*", "busybox:latest"))
        #expect(ReferencePattern.matches("*/x", "localhost:5000/x:1"))
        #expect(!ReferencePattern.matches("*", "a/b:1"))
        #expect(!ReferencePattern.matches("busy", "busybox:latest"))
    }

    @Test func updatesLeaveWhatIsZero() throws {
        let update = try ContainerRoutes.update(
            from: [
                "Memory": 5, "CpuShares": 0, "CpusetCpus": "", "RestartPolicy": ["Name": "", "MaximumRetryCount": 0],
            ])
        #expect(update.memory == 5)
        #expect(update.cpuShares == nil)
        #expect(update.cpusetCpus == nil)
        #expect(update.restartPolicy == nil)
    }

    @Test func eventsAreFiltered() {
        let event = EngineEvent(
            kind: .container, action: "health_status: healthy", id: "abc",
            attributes: ["name": "web", "image": "busybox", "tier": "front"], time: .epoch)
        func matches(_ filters: [String: [String]]) -> Bool {
            EventRoutes.matches(event, ObjectFilters(values: filters))
        }
        #expect(matches([:]))
        #expect(matches(["container": ["web"], "event": ["health_status"]]))
        #expect(matches(["image": ["busybox"]]))
        #expect(matches(["label": ["tier=front"]]))
        #expect(!matches(["container": ["db"]]))
        #expect(!matches(["network": ["web"]]))
        #expect(!matches(["type": ["image"]]))
        #expect(!matches(["event": ["start"]]))
    }

    @Test func listenAddressesAreRead() throws {
        #expect(try ListenAddress(parsing: "unix:///run/x.sock") == .unix("/run/x.sock"))
        #expect(try ListenAddress(parsing: "tcp://127.0.0.1:0") == .tcp(host: "127.0.0.1", port: 0))
        #expect(try ListenAddress(parsing: "tcp://[::1]:2375") == .tcp(host: "::1", port: 2375))
        for text in ["", "unix://x", "tcp://a", "tcp://a:x", "http://a:1"] {
            #expect(throws: EngineError.self) { try ListenAddress(parsing: text) }
        }
    }
}
