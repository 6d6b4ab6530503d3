import RuntimeSpec
import Testing

@testable import SystemdUnits

/// systemd.resource-control(5), and what runc makes of `linux.resources`.
@Suite struct UnitPropertyTests {
    static func properties(
        _ hierarchy: SystemdHierarchy = .unified, version: Int = 252, _ change: (inout LinuxResources) -> Void
    ) throws -> [UnitProperty] {
        var resources = LinuxResources()
        change(&resources)
        return try ResourceProperties(hierarchy: hierarchy, version: version, weight: { $0 / 10 }).properties(resources)
    }

    static func memory(_ limit: Int64?, _ swap: Int64?) -> LinuxResources.Memory {
        var memory = LinuxResources.Memory()
        memory.limit = limit
        memory.swap = swap
        return memory
    }

    static func quota(_ quota: Int64?, _ period: UInt64?) -> LinuxResources.CPU {
        var cpu = LinuxResources.CPU()
        cpu.quota = quota
        cpu.period = period
        return cpu
    }

    @Test func memory() throws {
        #expect(
            try Self.properties { $0.memory = Self.memory(100, 150) }
                == [UnitProperty("MemoryMax", .uint64(100)), UnitProperty("MemorySwapMax", .uint64(50))])
        #expect(
            try Self.properties { $0.memory = Self.memory(-1, nil) }
                == [UnitProperty("MemoryMax", .uint64(.max)), UnitProperty("MemorySwapMax", .uint64(.max))])
        #expect(
            try Self.properties(.legacy) { $0.memory = Self.memory(100, 150) }
                == [UnitProperty("MemoryLimit", .uint64(100))])
        #expect(throws: SystemdError.self) { try Self.properties { $0.memory = Self.memory(100, 50) } }
        #expect(throws: SystemdError.self) { try Self.properties { $0.memory = Self.memory(nil, 50) } }
    }

    @Test func processor() throws {
        let period = UnitProperty("CPUQuotaPeriodUSec", .uint64(30_000))
        func quota(_ value: UInt64) -> UnitProperty { UnitProperty("CPUQuotaPerSecUSec", .uint64(value)) }
        #expect(try Self.properties { $0.cpu = Self.quota(10_000, 30_000) } == [period, quota(340_000)])
        #expect(try Self.properties(version: 241) { $0.cpu = Self.quota(10_000, 30_000) } == [quota(340_000)])
        #expect(try Self.properties { $0.cpu = Self.quota(150_000, nil) } == [quota(1_500_000)])
        #expect(try Self.properties { $0.cpu = Self.quota(-1, nil) } == [quota(.max)])
        #expect(throws: SystemdError.self) { try Self.properties { $0.cpu = Self.quota(.max, 1) } }
        var cpu = LinuxResources.CPU()
        cpu.shares = 1024
        cpu.cpus = "0-2,9"
        let set = UnitProperty("AllowedCPUs", .bytes([7, 2]))
        #expect(try Self.properties { $0.cpu = cpu } == [UnitProperty("CPUWeight", .uint64(102)), set])
        #expect(try Self.properties(.legacy) { $0.cpu = cpu } == [UnitProperty("CPUShares", .uint64(1024)), set])
        cpu.idle = 1
        #expect(try Self.properties { $0.cpu = cpu } == [UnitProperty("CPUWeight", .uint64(0)), set])
        for text in ["a", "1-", "3-1", "8192", "0,,1", "0-1-2", "99999999999"] {
            #expect(ResourceProperties.bits(text) == nil, "\(text)")
        }
    }

    @Test func othersAndFiles() throws {
        #expect(
            try Self.properties {
                $0.pids = LinuxResources.PIDs()
                $0.pids?.limit = -1
                $0.unified = ["memory.high": "max", "cpu.max": "5000 10000\n", "io.max": "8:0 rbps=1", "pids.max": "7"]
            } == [
                UnitProperty("TasksMax", .uint64(.max)), UnitProperty("CPUQuotaPeriodUSec", .uint64(10_000)),
                UnitProperty("CPUQuotaPerSecUSec", .uint64(500_000)), UnitProperty("MemoryHigh", .uint64(.max)),
                UnitProperty("TasksMax", .uint64(7)),
            ])
        #expect(throws: SystemdError.self) { try Self.properties { $0.unified = ["memory.max": "much"] } }
        #expect(throws: SystemdError.self) { try Self.properties(.legacy) { $0.unified = ["memory.max": "1"] } }
    }

    static func rule(_ allow: Bool, _ type: String?, _ major: Int64?, _ minor: Int64?, _ access: String?)
        -> LinuxResources.DeviceRule
    {
        var rule = LinuxResources.DeviceRule(allow: allow)
        (rule.type, rule.major, rule.minor, rule.access) = (type, major, minor, access)
        return rule
    }

    @Test func devices() throws {
        let properties = try DeviceProperties.properties([
            Self.rule(false, nil, nil, nil, "rwm"), Self.rule(true, "c", 1, 3, "rw"), Self.rule(true, "c", 1, 3, "m"),
            Self.rule(true, "c", 136, -1, "rw"), Self.rule(true, "b", nil, nil, "m"), Self.rule(true, "c", 5, 0, nil),
            Self.rule(false, "c", 5, 0, "wm"),
        ])
        let entries = [("/dev/char/1:3", "rwm"), ("char-136", "rw"), ("block-*", "m"), ("/dev/char/5:0", "r")]
        let type = DBusType.structure([.basic(.string), .basic(.string)])
        #expect(
            properties == [
                UnitProperty("DevicePolicy", .string("strict")), UnitProperty("DeviceAllow", .array(type, [])),
                UnitProperty(
                    "DeviceAllow", .array(type, entries.map { .structure([.string($0.0), .string($0.1)]) })),
            ])
        let open = try DeviceProperties.properties([
            Self.rule(true, "a", nil, nil, nil), Self.rule(false, "c", 1, 1, "r"),
        ])
        #expect(open.first?.value == .string("auto") && open.count == 2)
        #expect(throws: SystemdError.self) { try DeviceProperties.properties([Self.rule(true, "x", 1, 1, "r")]) }
        #expect(throws: SystemdError.self) { try DeviceProperties.properties([Self.rule(true, "c", 1, 1, "z")]) }
    }

    @Test func aScopesProperties() throws {
        let path = try SystemdCgroupPath(cgroupsPath: "a.slice:p:n", identifier: "n")
        let unit = TransientUnit(path, description: "d", process: 42, hierarchy: .unified)
        #expect(
            unit.allProperties.map(\.name) == [
                "Description", "Slice", "Delegate", "PIDs", "MemoryAccounting", "CPUAccounting", "IOAccounting",
                "TasksAccounting", "DefaultDependencies",
            ])
        #expect(unit.allProperties[3].value == .array(.basic(.uint32), [.uint32(42)]))
        let slice = try SystemdCgroupPath(cgroupsPath: "a.slice::a-b.slice", identifier: "n")
        let names = TransientUnit(slice, description: "d", process: nil, hierarchy: .legacy).allProperties.map(\.name)
        #expect(names.contains("Wants") && names.contains("BlockIOAccounting") && !names.contains("PIDs"))
    }
}
