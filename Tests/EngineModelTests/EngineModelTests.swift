import EngineModel
import JSON
import Testing
import Values

@Suite struct EngineModelTests {
    @Test("Engine API: the body of POST /containers/create")
    func creation() throws {
        let body = #"""
            {"Image":"busybox","Cmd":"true","Entrypoint":null,"Env":["A=b"],"Tty":false,
             "HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}],"81/tcp":null},
             "RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"Memory":1048576,"Init":true,
             "UTSMode":"host","Dns":null,"Mounts":[{"Type":"volume","Source":"v","Target":"/v","ReadOnly":true}]},
             "NetworkingConfig":{"EndpointsConfig":{"net":{"Aliases":["a"],"IPAMConfig":{"IPv4Address":"10.0.0.7"}}}}}
            """#
        let creation = try ContainerCreation(JSONValue(parsing: body))
        #expect(creation.configuration.cmd == ["true"])
        #expect(creation.configuration.entrypoint == nil)
        #expect(creation.host.portBindings?["80/tcp"]??.first?.hostPort == "8080")
        #expect(creation.host.restartPolicy == RestartPolicy(name: .onFailure, maximumRetryCount: 3))
        #expect(creation.host.utsMode == "host")
        #expect(creation.host.`init` == true)
        #expect(creation.host.mounts?.first?.readOnly == true)
        let endpoint = creation.networking.endpointsConfig?["net"] ?? nil
        #expect(endpoint?.ipamConfig?.ipv4Address == "10.0.0.7")
    }

    @Test func recordsSurviveTheirText() throws {
        var record = ContainerRecord(
            id: "1", name: "n", createdAt: .epoch, configuration: ContainerConfiguration(),
            host: HostConfiguration(), imageID: "i", layers: ["/l"])
        record.state.health = HealthState()
        record.mounts = [MountPoint(type: .volume, name: "v", source: "/s", destination: "/d", isReadOnly: true)]
        let text = try JSONCoding.docker.encode(record)
        #expect(try JSONCoding.docker.decode(ContainerRecord.self, from: text) == record)
    }

    @Test func failuresInTheStartPeriodDoNotCount() {
        var health = HealthState()
        let configuration = HealthConfiguration(test: ["CMD", "true"], retries: 2, startPeriod: 10)
        func result(at nanoseconds: Int64, _ code: Int) -> HealthProbeResult {
            let moment = Timestamp(nanosecondsSinceEpoch: nanoseconds)
            return HealthProbeResult(start: moment, end: moment, exitCode: code, output: "")
        }
        func record(_ nanoseconds: Int64, _ code: Int) -> Bool {
            health.record(result(at: nanoseconds, code), startedAt: .epoch, configuration: configuration)
        }
        #expect(!record(1, 1))
        #expect(!record(2, 1))
        #expect(health.failingStreak == 0)
        #expect(!record(11, 1))
        #expect(record(12, 1))
        #expect(health.status == .unhealthy)
        #expect(record(13, 0))
        #expect(health.status == .healthy)
        #expect(!record(14, 1))
        #expect(record(15, 1))
        #expect(health.log.count == HealthState.keptResults)
    }

    @Test("Engine API: HealthConfig, StartInterval")
    func theStartIntervalIsGivenInheritedOrFiveSeconds() throws {
        let body = #"{"Test":["CMD","true"],"StartPeriod":60000000000,"StartInterval":2000000000}"#
        let given = try JSONCoding.docker.decode(HealthConfiguration.self, from: Array(body.utf8))
        #expect(given.effectiveStartInterval == 2_000_000_000)
        #expect(given.effectiveInterval == 30_000_000_000)
        let open = HealthConfiguration(test: ["CMD", "true"])
        #expect(open.effectiveStartInterval == 5_000_000_000)
        #expect(open.inheriting(given).effectiveStartInterval == 2_000_000_000)
        let own = HealthConfiguration(test: [], startInterval: 1_000_000_000)
        #expect(own.inheriting(given).effectiveStartInterval == 1_000_000_000)
    }

    @Test func restartDecisions() {
        var state = ContainerState()
        #expect(RestartDecision.decide(policy: nil, state: state) == .stay)
        #expect(RestartDecision.decide(policy: RestartPolicy(name: .onFailure), state: state) == .stay)
        state.exitCode = 1
        state.restartCount = 2
        let thrice = RestartPolicy(name: .onFailure, maximumRetryCount: 3)
        #expect(RestartDecision.decide(policy: thrice, state: state) == .restart(afterNanoseconds: 400_000_000))
        state.restartCount = 3
        #expect(RestartDecision.decide(policy: thrice, state: state) == .stay)
        state.restartCount = 50
        #expect(
            RestartDecision.decide(policy: RestartPolicy(name: .always), state: state)
                == .restart(afterNanoseconds: RestartDecision.longestDelayNanoseconds))
        state.isStoppedByUser = true
        #expect(RestartDecision.decide(policy: RestartPolicy(name: .always), state: state) == .stay)
    }

    @Test func filters() throws {
        let filters = try ObjectFilters(parsing: #"{"label":{"a=b":true},"name":["x"]}"#)
        #expect(filters.matches(labels: ["a": "b"]))
        #expect(!filters.matches(labels: ["a": "c"]))
        #expect(filters.matches("name") { $0 == "x" })
        #expect(filters.matches("id") { _ in false })
        #expect(throws: EngineError.self) { try filters.check(known: ["label"]) }
        #expect(throws: EngineError.self) { try ObjectFilters(parsing: "[]") }
    }

    @Test func namesAndPorts() {
        #expect(ContainerNames.isValid("a_b.c-1"))
        for name in ["", "a", "-ab", "a/b", "a b"] { #expect(!ContainerNames.isValid(name)) }
        #expect(PortKey("80")?.description == "80/tcp")
        #expect(PortKey("53/UDP")?.description == "53/udp")
        for text in ["", "0", "70000", "80/x", "80/tcp/udp"] { #expect(PortKey(text) == nil) }
    }
}
