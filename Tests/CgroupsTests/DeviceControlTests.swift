import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import TestSupport
import Testing

@testable import Cgroups

/// Device rules in the kernel, by v1's controller and by a program in v2: which nodes a process in the group can make
/// and open.
@Suite(.enabled(if: geteuid() == 0, "needs root")) struct DeviceControlTests {
    enum Version: Sendable, CaseIterable { case legacy, unified }

    /// A group that limits devices in one version only.
    private static func withGroup(_ name: String, _ version: Version, _ body: (ControlGroup) throws -> Void) throws {
        let all = try ControlGroups().group(forPath: nil, id: "martlet-cgroups-test-\(getpid())-dev-\(name)-\(version)")
        let parts = all.directories.filter {
            version == .unified ? $0.isUnified : $0.controllers.contains("devices")
        }
        guard !parts.isEmpty else {
            print("not exercised: devices in cgroup \(version), which this machine has not mounted")
            return
        }
        let group = try ControlGroup(directories: parts).createEmpty()
        defer {
            let deadline = Clock.sinceBoot() + 5_000_000_000
            while !group.remove(), Clock.sinceBoot() < deadline { group.killAll() }
        }
        try body(group)
    }

    private static func rules(_ texts: [String]) throws -> [LinuxResources.DeviceRule] {
        try texts.map { text in
            try #require(LinuxResources.DeviceRule(String(text.dropFirst()), allow: text.hasPrefix("+")))
        }
    }

    /// Which of `requests` a process in the group is allowed: `zero r`, `null rw`, `node m`. Null (1:3) and zero (1:5)
    /// are the machine's own nodes; `node` is a new one of null.
    private static func allowed(_ requests: [String], in group: ControlGroup) throws -> [String] {
        let directory = try TemporaryDirectory()
        let path = try #require(group.path("devices") ?? group.unifiedPath)
        var script = "echo $$ >\(path)/cgroup.procs || exit 9\n"
        for request in requests {
            let words = request.split(separator: " ")
            let attempt =
                switch words[1] {
                case "r": "(exec 3</dev/\(words[0]))"
                case "w": "(exec 3>/dev/\(words[0]))"
                case "rw": "(exec 3<>/dev/\(words[0]))"
                default: "(mknod \(directory.path)/node c 1 3 && rm \(directory.path)/node)"
                }
            script += "\(attempt) 2>&3 && echo '\(request)'\n"
        }
        let output = directory.path + "/output"
        try Files.write(output, "")
        let file = try Descriptor.open(output, O_RDWR)
        let input = try Descriptor.open(output, O_RDONLY)
        let pid = try ChildProcess.spawn(
            "/bin/sh", ["sh", "-c", "exec 3>\(directory.path)/errors\n" + script + "exit 0"],
            environment: ["PATH=/usr/bin:/bin"], descriptors: [input.rawValue, file.rawValue, file.rawValue])
        #expect(try ChildProcess.wait(pid) == 0)
        return try Files.text(output).split(separator: "\n").map(String.init)
    }

    private static let requests = ["null r", "null w", "null rw", "zero r", "zero w", "zero rw", "node m"]

    @Test(arguments: Version.allCases)
    func lists(version: Version) throws {
        for (index, (texts, expected)) in [
            (["-a", "+c 1:3 rw", "+c *:* m"], ["null r", "null w", "null rw", "node m"]),
            (["+a", "-c 1:5 w", "-c 1:3 m"], ["null r", "null w", "null rw", "zero r"]),
            (["+c 1:3 r", "+c 1:3 w"], ["null r", "null w", "null rw"]),
            (["+c 1:* r", "+c *:3 w"], ["null r", "null w", "null rw", "zero r"]),
            (["+a *:* r"], ["null r", "zero r"]),
            (["+c 1:3 rwm", "+c 1:5 rw", "-c 1:* w"], ["null r", "zero r", "node m"]),
            ([], []),
        ].enumerated() {
            try Self.withGroup("\(index)", version) { group in
                try group.restrictDevices(Self.rules(texts))
                #expect(try Self.allowed(Self.requests, in: group) == expected, "\(texts)")
            }
        }
    }

    /// A part taken from a wider rule: v2 does it, v1 cannot.
    @Test func holes() throws {
        let rules = try Self.rules(["+c 1:* rw", "-c 1:3 w"])
        try Self.withGroup("hole", .unified) { group in
            try group.restrictDevices(rules)
            #expect(
                try Self.allowed(Self.requests, in: group) == ["null r", "zero r", "zero w", "zero rw"])
        }
        try Self.withGroup("hole", .legacy) { group in
            #expect(throws: ResourceError.self) { try group.restrictDevices(rules) }
            let allowed = try Self.allowed(["null rw"], in: group)
            #expect(allowed == ["null rw"])
        }
    }

    /// New rules take the place of the old ones, wider or narrower; one program is left.
    @Test(arguments: Version.allCases)
    func replacement(version: Version) throws {
        try Self.withGroup("replaced", version) { group in
            for (texts, expected) in [
                (["+c 1:3 rw"], ["null rw"]), (["+c 1:3 rw", "+c 1:5 rw"], ["null rw", "zero rw"]),
                (["+c 1:5 rw"], ["zero rw"]), (["+a"], ["null rw", "zero rw", "node m"]), ([], []),
            ] {
                try group.restrictDevices(Self.rules(texts))
                #expect(try Self.allowed(["null rw", "zero rw", "node m"], in: group) == expected)
                guard let path = group.unifiedPath else { continue }
                let directory = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
                #expect(try ControlGroup.programs(of: directory, path).count == 1)
            }
        }
    }

    /// The longest list that is taken, with parts of access that the kernel's verifier has to follow.
    @Test func manyRules() throws {
        try Self.withGroup("many", .unified) { group in
            var rules = try Self.rules(["+c 1:3 rw"])
            let access = ["r", "w", "m", "rw", "rwm"]
            while rules.count < ControlGroup.deviceRuleLimit {
                let index = rules.count
                rules += try Self.rules(["\(index % 3 == 0 ? "-" : "+")c \(200 + index):\(index) \(access[index % 5])"])
            }
            try group.restrictDevices(rules)
            #expect(try Self.allowed(["null rw", "zero r"], in: group) == ["null rw"])
            rules.append(rules[0])
            #expect(throws: ResourceError.self) { try group.restrictDevices(rules) }
        }
    }

    /// A wildcard for each rule: none of them can be told from the others by the device's number.
    @Test func manyWildcards() throws {
        try Self.withGroup("wild", .unified) { group in
            let access = ["r", "w", "m", "rw"]
            let rules = try (0..<400).flatMap {
                try Self.rules(["\($0 % 2 == 0 ? "-" : "+")c *:\($0) \(access[$0 % 4])"])
            }
            try group.restrictDevices(rules + Self.rules(["+c 1:3 rw"]))
            #expect(try Self.allowed(["null rw", "zero rw"], in: group) == ["null rw"])
        }
    }

    @Test func defaultsOfContainers() throws {
        for version in Version.allCases {
            try Self.withGroup("defaults", version) { group in
                try group.restrictDevices(Self.rules(["-a"]) + LinuxResources.DeviceRule.defaults)
                #expect(try Self.allowed(Self.requests, in: group) == Self.requests)
                guard let path = group.path("devices") else { return }
                // As runc 1.1.5 leaves it.
                let expected: Set = [
                    "b *:* m", "c *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm",
                    "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm",
                ]
                let list = try Files.text(path + "/devices.list").split(separator: "\n").map(String.init)
                #expect(Set(list) == expected)
            }
        }
    }
}
