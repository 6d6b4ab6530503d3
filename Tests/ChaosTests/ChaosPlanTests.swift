import Testing

@testable import Chaos

@Suite struct ChaosPlanTests {
    private static let duration = 1_800_000

    @Test("A seed decides the plan") func seeds() {
        #expect(ChaosPlan(seed: 7, hosts: 5, duration: 60_000) == ChaosPlan(seed: 7, hosts: 5, duration: 60_000))
        #expect(ChaosPlan(seed: 7, hosts: 5, duration: 60_000) != ChaosPlan(seed: 8, hosts: 5, duration: 60_000))
    }

    @Test("Every kind of fault happens, also to all at once", arguments: [1, 2, 3] as [UInt64]) func kinds(seed: UInt64)
    {
        let events = ChaosPlan(seed: seed, hosts: 5, duration: Self.duration).events
        #expect(Set(events.map(\.fault.kind)) == Set(ChaosFault.Kind.allCases))
        #expect(events.contains { $0.fault.impaired.count == 5 })
        #expect(events.count > 200)
        #expect(events.allSatisfy { $0.end <= Self.duration })
    }

    @Test(
        "A majority is left, but where all are struck, and then nothing else is wrong",
        arguments: 1...20 as ClosedRange<UInt64>)
    func majorities(seed: UInt64) {
        let events = ChaosPlan(seed: seed, hosts: 5, duration: Self.duration / 6).events
        for event in events {
            let others = events.filter { $0 != event && $0.begin < event.end && event.begin < $0.end }
            if event.fault.impaired.count == 5 {
                #expect(others.isEmpty)
            } else {
                let atOnce = events.filter { $0.begin <= event.begin && event.begin < $0.end + ChaosPlan.recovery }
                #expect(Set(atOnce.flatMap(\.fault.impaired)).count <= 2)
            }
            #expect(others.allSatisfy { Set($0.fault.touched).isDisjoint(with: event.fault.touched) })
        }
    }

    @Test("Disks lose what is not synced, with and without faults") func disks() {
        let plan = ChaosPlan(seed: 3, hosts: 5, duration: Self.duration)
        #expect(plan.disks.count == 5 && plan.disks.allSatisfy { $0.hasPrefix("lose,seed=") })
        for event in plan.events {
            guard case .disk(_, let faults) = event.fault else { continue }
            #expect(faults.hasPrefix("lose,") && faults.contains("="))
        }
    }
}
