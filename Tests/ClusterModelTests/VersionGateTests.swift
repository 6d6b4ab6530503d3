import ClusterModel
import Testing

@Suite struct VersionGateTests {
    private static let two = ClusterVersion(2)

    @Test("A manager that cannot follow is not added, nor while the version is on its way")
    func admission() {
        var gate = VersionGate()
        #expect(gate.admit(1, .unstated, to: .first, term: 5) == nil)
        gate.joined(1)
        #expect(gate.admit(2, .unstated, to: Self.two, term: 5) == Self.two)
        #expect(gate.mayRaise(to: Self.two, term: 5) == true)
        #expect(gate.admit(3, .unstated, to: .first, term: 5) == Self.two)
        #expect(gate.admit(3, .own, to: .first, term: 5) == nil)
        // What was proposed in a term that is over is in the log, or never will be.
        #expect(gate.admit(4, .unstated, to: .first, term: 6) == nil)
    }

    @Test("The version waits for a manager on its way that cannot follow")
    func rising() {
        var gate = VersionGate()
        #expect(gate.admit(1, .own, to: .first, term: 5) == nil)
        #expect(gate.mayRaise(to: Self.two, term: 5) == true)
        #expect(gate.admit(2, .unstated, to: .first, term: 6) == nil)
        #expect(gate.mayRaise(to: Self.two, term: 6) == false)
        // One that was refused does not count.
        #expect(gate.admit(3, .unstated, to: Self.two, term: 6) == Self.two)
        gate.joined(2)
        #expect(gate.mayRaise(to: Self.two, term: 6) == true)
    }

    @Test("One that asks again is on its way until each attempt has failed")
    func attempts() {
        var gate = VersionGate()
        for _ in 0..<2 { #expect(gate.admit(1, .unstated, to: .first, term: 5) == nil) }
        gate.failed(1)
        #expect(gate.mayRaise(to: Self.two, term: 5) == false)
        gate.failed(1)
        #expect(gate.mayRaise(to: Self.two, term: 5) == true)
        // Later news of an attempt that no longer counts.
        gate.failed(1)
    }
}
