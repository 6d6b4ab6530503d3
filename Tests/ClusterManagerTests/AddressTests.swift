import RaftNode
import Testing
import Values

@testable import ClusterManager

/// Addresses are soft state: a host follows its own, and its peers believe what it says of itself.
@Suite struct AddressTests {
    private func decide(
        _ present: [(String, String)], interface: String? = "eth0", route: String? = nil, isPatient: Bool = true,
        recorded: String = "10.0.0.5"
    ) -> AddressChange {
        AddressChange.decide(
            recorded: recorded, interface: interface,
            present: present.map { (interface: $0.0, address: IPAddress($0.1)!) },
            route: route.flatMap { IPAddress($0) }, isPatient: isPatient)
    }

    @Test("An address that an interface has stays, and the interface is noted") func stays() {
        #expect(decide([("eth0", "10.0.0.5")]) == .stays(interface: "eth0"))
        #expect(decide([("eth1", "10.0.0.5"), ("eth0", "10.0.0.9")]) == .stays(interface: "eth1"))
        #expect(decide([("eth0", "10.0.0.5")], interface: nil) == .stays(interface: "eth0"))
    }

    @Test("One that no interface ever had is somebody else's, and none of this host's business") func foreign() {
        #expect(decide([("eth0", "10.0.0.9")], interface: nil, recorded: "203.0.113.7") == .stays(interface: nil))
        #expect(decide([("eth0", "10.0.0.9")], recorded: "name.example") == .stays(interface: nil))
    }

    @Test("The next address is one of the same interface and family") func moves() {
        let moved = AddressChange.moved(to: "10.0.0.9", interface: "eth0")
        #expect(decide([("eth0", "fd00::9"), ("eth0", "10.0.0.9"), ("eth1", "10.1.0.9")], route: "10.1.0.9") == moved)
        #expect(decide([("eth0", "10.0.0.7"), ("eth0", "10.0.0.9")], route: "10.0.0.9") == moved)
        #expect(
            decide([("eth0", "fd00::9"), ("eth0", "10.0.0.9")], recorded: "fd00::5")
                == .moved(to: "fd00::9", interface: "eth0"))
    }

    @Test("An interface that lost its address is waited for; then another one's counts, where it is plain which")
    func waits() {
        let others = [("eth1", "10.1.0.9"), ("eth2", "10.2.0.9")]
        #expect(decide(others, route: "10.1.0.9") == .gone)
        #expect(decide(others, route: "10.1.0.9", isPatient: false) == .moved(to: "10.1.0.9", interface: "eth1"))
        #expect(decide(others, isPatient: false) == .gone)
        #expect(decide([others[1]], isPatient: false) == .moved(to: "10.2.0.9", interface: "eth2"))
        #expect(decide([], isPatient: false) == .gone)
        #expect(decide([("eth0", "fd00::9")], isPatient: false) == .gone, "it listens for the other family")
    }

    @Test("What a member says of itself counts until the group has agreed on something else") func movedMembers() {
        let old = RaftMember(id: 7, nodeID: "b", address: "10.0.0.5:2377", priority: 3)
        let other = RaftMember(id: 8, nodeID: "c", address: "10.0.0.6:2377")
        func at(_ address: String) -> RaftMember {
            var member = old
            member.address = address
            return member
        }
        var moved = MovedMembers()
        #expect(moved.placing(old) == old)
        moved.note("10.0.0.9:2377", of: "b", beside: [old, other])
        #expect(moved.placing(old) == at("10.0.0.9:2377"))
        #expect(moved.placing(other) == other)
        #expect(moved.placing(at("10.0.0.11:2377")) == at("10.0.0.11:2377"), "what was agreed on later is newer")
        moved.note("10.0.0.5:2377", of: "b", beside: [old, other])
        #expect(moved.placing(old) == old, "back where it was")
        moved.note("10.0.0.9:2377", of: "stranger", beside: [old, other])
        #expect(moved == MovedMembers())
    }
}
