import RuntimeSpec
import Testing
import Values

@testable import Cgroups

/// Lists of device rules (config-linux.md: Allowed Device list): the program for v2 and the list for v1 answer as the
/// rules in order do.
@Suite struct DeviceRulesTests {
    /// A request as the kernel makes it: `c 1:3 rw`.
    struct Request {
        var kind: DeviceSet.Kind
        var major: UInt32
        var minor: UInt32
        var access: DeviceAccess

        init(_ text: String) throws {
            let words = text.split(separator: " ")
            kind = try #require(words[0].first.flatMap(DeviceSet.Kind.init(rawValue:)))
            let numbers = words[1].split(separator: ":").compactMap { UInt32($0) }
            major = numbers[0]
            minor = numbers[1]
            access = try #require(DeviceAccess(words[2]))
        }

        init(kind: DeviceSet.Kind, major: UInt32, minor: UInt32, access: DeviceAccess) {
            self.kind = kind
            self.major = major
            self.minor = minor
            self.access = access
        }

        var device: DeviceSet { DeviceSet(kind: kind, major: major, minor: minor) }
    }

    /// The specification: each kind of access by the last rule about it.
    private static func expected(_ request: Request, by rules: [DeviceRule]) -> Bool {
        [DeviceAccess.makeNode, .read, .write].filter { request.access.contains($0) }.allSatisfy { access in
            let last = rules.last { rule in
                rule.access.contains(access) && rule.sets.contains { $0.covers(request.device) }
            }
            return last?.isAllowed ?? false
        }
    }

    /// v1's kernel (security/device_cgroup.c: match_exception and match_exception_partial).
    private static func answer(_ request: Request, by list: DeviceList) -> Bool {
        let about = list.exceptions.filter { $0.set.covers(request.device) }.map(\.access)
        return list.isAllowed
            ? about.allSatisfy { $0.isDisjoint(with: request.access) }
            : about.contains { $0.isSuperset(of: request.access) }
    }

    /// Runs the few instructions that programs are made of; nil for one that does not end well.
    private static func answer(_ request: Request, by program: DeviceProgram) -> Bool? {
        let context: [Int: UInt32] = [
            0: UInt32(request.kind.number) | UInt32(request.access.rawValue) << 16, 4: request.major, 8: request.minor,
        ]
        var registers: [Int: UInt32] = [:]
        var position = 0
        while position < program.instructions.count {
            let instruction = program.instructions[position]
            let destination = Int(instruction >> 8 & 15)
            let source = Int(instruction >> 12 & 15)
            let offset = Int(Int16(truncatingIfNeeded: instruction >> 16))
            let immediate = UInt32(truncatingIfNeeded: instruction >> 32)
            position += 1
            switch DeviceProgram.Code(rawValue: instruction & 0xff) {
            case .load: registers[destination] = source == 1 ? context[offset] : nil
            case .move: registers[destination] = registers[source]
            case .moveValue: registers[destination] = immediate
            case .andValue: registers[destination] = registers[destination].map { $0 & immediate }
            case .shiftRightValue: registers[destination] = registers[destination].map { $0 >> immediate }
            case .jumpIfEqual: if registers[destination] == immediate { position += offset }
            case .jumpIfNot: if registers[destination] != immediate { position += offset }
            case .exit: return registers[0].map { $0 == 1 }
            case nil: return nil
            }
        }
        return nil
    }

    private static func rules(_ texts: [String]) throws -> [DeviceRule] {
        try DeviceRule.list(
            texts.map { text in
                try #require(LinuxResources.DeviceRule(String(text.dropFirst()), allow: text.hasPrefix("+")))
            })
    }

    /// Rules, requests that are allowed and requests that are not.
    @Test(arguments: [
        ([], [], ["c 1:3 r", "b 8:0 m"]),
        (["-a", "+c 1:3 rwm"], ["c 1:3 rw", "c 1:3 m"], ["c 1:4 r", "b 1:3 r"]),
        (["+a", "-c 1:3 w"], ["c 1:3 r", "c 1:4 w", "b 8:0 rw"], ["c 1:3 w", "c 1:3 rw"]),
        // Reading by one rule and writing by another.
        (["+c 1:3 r", "+c 1:3 w"], ["c 1:3 rw"], ["c 1:3 m"]),
        (["+c 1:* r", "+c *:3 w"], ["c 1:3 rw", "c 1:4 r", "c 2:3 w"], ["c 1:4 w", "c 1:4 rw", "c 2:3 r"]),
        (["+c 1:3 rw", "-c 1:3 w"], ["c 1:3 r"], ["c 1:3 w", "c 1:3 rw"]),
        // The narrower is taken with the wider; what comes later counts again.
        (["+c 1:3 rw", "+c 1:4 rw", "-c 1:* w", "+c 1:4 w"], ["c 1:3 r", "c 1:4 rw"], ["c 1:3 w"]),
        (["+c 1:3 rw", "+a", "-a"], [], ["c 1:3 r"]),
        // A rule about all devices, but not all access, is one about either kind.
        (["+a *:* r"], ["c 9:9 r", "b 9:9 r"], ["c 9:9 rw", "b 9:9 m"]),
        (["+a 7:* rw"], ["c 7:1 rw", "b 7:1 w"], ["c 8:1 r"]),
        (["+c 4294967295:4294967294 r"], ["c 4294967295:4294967294 r"], ["c 4294967295:4294967295 r"]),
    ])
    func answers(texts: [String], allowed: [String], denied: [String]) throws {
        let rules = try Self.rules(texts)
        let program = DeviceProgram(rules)
        let list = try DeviceList(rules)
        for (requests, isAllowed) in [(allowed, true), (denied, false)] {
            for text in requests {
                let request = try Request(text)
                #expect(Self.expected(request, by: rules) == isAllowed, "\(text)")
                #expect(Self.answer(request, by: program) == isAllowed, "\(text)")
                #expect(Self.answer(request, by: list) == isAllowed, "\(text)")
            }
        }
    }

    /// Every request of a small world by generated lists; v1 may refuse a list, never answer otherwise.
    @Test func generatedListsAnswerAlike() throws {
        var generator = SplitMix64(seed: 7)
        var legacyLists = 0
        for _ in 0..<1500 {
            var texts: [String] = []
            for _ in 0..<Int.random(in: 0...6, using: &generator) {
                let kind = ["a", "b", "c", "c"].randomElement(using: &generator)!
                let major = ["*", "1", "2"].randomElement(using: &generator)!
                let minor = ["*", "1", "2"].randomElement(using: &generator)!
                let access = ["r", "w", "m", "rw", "rwm", "rwm"].randomElement(using: &generator)!
                texts.append(Bool.random(using: &generator) ? "+" : "-")
                texts[texts.count - 1] += "\(kind) \(major):\(minor) \(access)"
            }
            let rules = try Self.rules(texts)
            let program = DeviceProgram(rules)
            let list = try? DeviceList(rules)
            if list != nil { legacyLists += 1 }
            for kind in DeviceSet.Kind.allCases {
                for major in UInt32(1)...3 {
                    for minor in UInt32(1)...3 {
                        for access: DeviceAccess in [.makeNode, .read, .write, [.read, .write]] {
                            let request = Request(kind: kind, major: major, minor: minor, access: access)
                            let expected = Self.expected(request, by: rules)
                            #expect(Self.answer(request, by: program) == expected, "\(texts) \(request)")
                            if let list {
                                #expect(Self.answer(request, by: list) == expected, "\(texts) \(request)")
                            }
                        }
                    }
                }
            }
        }
        #expect(legacyLists > 500)
    }

    /// Taking a part from a wider rule, which v1 cannot, is refused there, as by runc; v2 does it.
    @Test func holes() throws {
        let rules = try Self.rules(["+c 1:* rw", "-c 1:3 w"])
        let error = #expect(throws: ResourceError.self) { try DeviceList(rules) }
        #expect(error?.member == "linux.resources.devices[1]")
        #expect(error?.reason == "cgroup v1 cannot take this from the wider rule c 1:* rw")
        let program = DeviceProgram(rules)
        #expect(try Self.answer(Request("c 1:3 rw"), by: program) == false)
        #expect(try Self.answer(Request("c 1:3 r"), by: program) == true)
    }

    /// Another part of the access is no hole.
    @Test func noHoles() throws {
        #expect(throws: Never.self) { try DeviceList(Self.rules(["+c 1:* r", "-c 1:3 w"])) }
    }

    @Test func transitions() throws {
        func lines(_ texts: [String], from current: String) throws -> [String] {
            try DeviceList(Self.rules(texts)).transition(from: DeviceList(text: current)).map {
                "\($0.file) \($0.text)"
            }
        }
        #expect(
            try lines(["+c 1:3 rwm", "+b *:* m"], from: "a *:* rwm\n") == [
                "devices.deny a", "devices.allow c 1:3 rwm", "devices.allow b *:* m",
            ])
        #expect(try lines(["+a", "-c 1:3 w"], from: "c 1:3 rwm\n") == ["devices.allow a", "devices.deny c 1:3 w"])
        // What both allow is not touched.
        #expect(
            try lines(["+c 1:3 rw", "+c 1:5 r"], from: "c 1:3 rwm\nc 1:7 rw\n") == [
                "devices.allow c 1:5 r", "devices.deny c 1:3 m", "devices.deny c 1:7 rw",
            ])
        #expect(try lines(["+c 1:3 rw"], from: "c 1:3 rw\n").isEmpty)
    }

    @Test func badRules() throws {
        func refusal(_ change: (inout LinuxResources.DeviceRule) -> Void) -> String? {
            var rule = LinuxResources.DeviceRule(allow: true)
            change(&rule)
            do {
                _ = try DeviceRule.list([LinuxResources.DeviceRule(allow: false), rule])
                return nil
            } catch {
                return "\(error)"
            }
        }
        #expect(refusal { $0.type = "u" } == "linux.resources.devices[1].type: \"u\" is none of a, b and c")
        #expect(refusal { $0.access = "rx" } == "linux.resources.devices[1].access: \"rx\" is not of r, w and m")
        #expect(refusal { $0.access = "" } == "linux.resources.devices[1].access: \"\" is not of r, w and m")
        #expect(refusal { $0.major = -2 } == "linux.resources.devices[1].major: -2 is no number of a device")
        #expect(
            refusal { $0.minor = 1 << 32 } == "linux.resources.devices[1].minor: 4294967296 is no number of a device")
        #expect(refusal { $0.minor = -1 } == nil)
        for text in ["", "x 1:2 r", "c 1 r", "c 1:2:3 r", "c 1:2", "c 1:2 ", "c -1:2 r", "c 1:2 rr x"] {
            #expect(LinuxResources.DeviceRule(text) == nil, "\(text)")
        }
        #expect(LinuxResources.DeviceRule.defaults.count == 10)
        let tooMany = [LinuxResources.DeviceRule](
            repeating: .init(allow: true), count: ControlGroup.deviceRuleLimit + 1)
        #expect(throws: ResourceError.self) { try DeviceRule.list(tooMany) }
    }
}
