import JSON
import RuntimeSpec
import Testing

/// What `update` changes of `linux.resources` (runc-update(8)).
@Suite struct ResourcesMergeTests {
    private static func resources(_ text: String) throws -> LinuxResources {
        try LinuxResources(parsing: Array(text.utf8))
    }

    /// Stored, given, and what is stored then.
    @Test(arguments: [
        (#"{}"#, #"{}"#, #"{}"#),
        (#"{"memory":{"limit":1,"swap":2}}"#, #"{"memory":{"limit":3}}"#, #"{"memory":{"limit":3,"swap":2}}"#),
        (#"{"memory":{"limit":1}}"#, #"{"memory":{"limit":0,"swap":-1}}"#, #"{"memory":{"limit":1,"swap":-1}}"#),
        (
            #"{"cpu":{"quota":5,"period":6,"cpus":"0","idle":1,"burst":4}}"#,
            #"{"cpu":{"quota":0,"period":7,"cpus":"","mems":"0","idle":0,"burst":0}}"#,
            #"{"cpu":{"quota":5,"period":7,"cpus":"0","mems":"0","idle":0,"burst":0}}"#
        ),
        (#"{"pids":{"limit":5}}"#, #"{"pids":{"limit":0}}"#, #"{"pids":{"limit":5}}"#),
        (#"{}"#, #"{"pids":{"limit":-1}}"#, #"{"pids":{"limit":-1}}"#),
        (
            #"{"blockIO":{"weight":10,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1}]}}"#,
            #"{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":16,"rate":2}]}}"#,
            #"{"blockIO":{"weight":10,"throttleReadBpsDevice":[{"major":8,"minor":16,"rate":2}]}}"#
        ),
        (
            #"{"hugepageLimits":[{"pageSize":"2MB","limit":1},{"pageSize":"1GB","limit":2}]}"#,
            #"{"hugepageLimits":[{"pageSize":"2MB","limit":3}]}"#,
            #"{"hugepageLimits":[{"pageSize":"1GB","limit":2},{"pageSize":"2MB","limit":3}]}"#
        ),
        (
            #"{"unified":{"memory.high":"1","pids.max":"2"},"rdma":{"a":{"hcaHandles":1}}}"#,
            #"{"unified":{"memory.high":"3"},"rdma":{"b":{"hcaHandles":2}}}"#,
            #"{"unified":{"memory.high":"3","pids.max":"2"},"rdma":{"a":{"hcaHandles":1},"b":{"hcaHandles":2}}}"#
        ),
        (
            #"{"network":{"classID":1,"priorities":[{"name":"a","priority":1}]}}"#, #"{"network":{"classID":2}}"#,
            #"{"network":{"classID":2,"priorities":[{"name":"a","priority":1}]}}"#
        ),
        // An update does not change devices.
        (#"{"devices":[{"allow":false}]}"#, #"{"devices":[{"allow":true}]}"#, #"{"devices":[{"allow":false}]}"#),
    ])
    func merged(stored: String, given: String, expected: String) throws {
        let result = try Self.resources(stored).merged(with: Self.resources(given))
        #expect(try result == Self.resources(expected))
    }

    @Test(arguments: [
        (#"{"cpu":{"quota":5,"period":6,"shares":7}}"#, #"{"cpu":{"period":9}}"#, #"{"cpu":{"quota":5,"period":9}}"#),
        (#"{"cpu":{"quota":5,"period":6}}"#, #"{"cpu":{"quota":9}}"#, #"{"cpu":{"quota":9,"period":6}}"#),
        (#"{"cpu":{"quota":5,"period":6}}"#, #"{"cpu":{"shares":9}}"#, #"{"cpu":{"shares":9}}"#),
        (
            #"{"memory":{"limit":5,"swap":6,"checkBeforeUpdate":true}}"#, #"{"memory":{"swap":7}}"#,
            #"{"memory":{"limit":5,"swap":7,"checkBeforeUpdate":true}}"#
        ),
        (#"{"memory":{"limit":5,"swap":6}}"#, #"{"memory":{"limit":7}}"#, #"{"memory":{"limit":7}}"#),
        (#"{"pids":{"limit":5}}"#, #"{"pids":{"limit":0},"devices":[{"allow":true}]}"#, #"{}"#),
    ])
    func completed(stored: String, given: String, expected: String) throws {
        let result = try Self.resources(stored).completing(Self.resources(given))
        #expect(try result == Self.resources(expected))
    }
}
