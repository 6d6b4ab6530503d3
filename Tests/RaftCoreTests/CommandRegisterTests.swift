import Testing

@testable import RaftCore

/// Dissertation, section 6.3: what is proposed twice happens once.
@Suite struct CommandRegisterTests {
    private static func id(
        _ client: UInt64, _ sequence: UInt64, acknowledged: UInt64 = 0, since: UInt64 = 0
    ) -> CommandID { CommandID(client: client, since: since, sequence: sequence, acknowledged: acknowledged) }

    @Test func whatComesAgainIsRepeated() {
        var register = CommandRegister()
        #expect(register.admit(Self.id(1, 1), at: 10) == .new)
        #expect(register.admit(Self.id(1, 1), at: 11) == .repeated)
        #expect(register.admit(Self.id(2, 1), at: 12) == .new)
        #expect(register.admit(Self.id(1, 2, acknowledged: 1), at: 13) == .new)
        #expect(register.admit(Self.id(1, 1), at: 14) == .repeated)
    }

    @Test func anyOrderIsFine() {
        var register = CommandRegister()
        for sequence in [3, 1, 5, 2, 4] as [UInt64] {
            #expect(register.admit(Self.id(1, sequence), at: sequence) == .new)
        }
        for sequence in UInt64(1)...5 { #expect(register.admit(Self.id(1, sequence), at: 9) == .repeated) }
        #expect(register.clients[1]?.applied.isEmpty == true, "what lies below the floor is not kept")
        #expect(register.clients[1]?.floor == 5)
    }

    @Test("a gap that the client has given up is over") func gaps() {
        var register = CommandRegister()
        #expect(register.admit(Self.id(1, 2), at: 1) == .new)
        #expect(register.admit(Self.id(1, 4, acknowledged: 3), at: 2) == .new)
        #expect(register.admit(Self.id(1, 1), at: 3) == .repeated, "never again what is acknowledged")
        #expect(register.clients[1]?.floor == 4)
    }

    @Test func aWindowIsBounded() {
        var register = CommandRegister()
        let limit = CommandRegister.windowLimit
        #expect(register.admit(Self.id(1, limit), at: 1) == .new)
        #expect(register.admit(Self.id(1, limit + 1), at: 2) == .forgotten)
    }

    @Test("who was forgotten is told so, who is new is not") func clientsAreBounded() {
        var register = CommandRegister()
        let limit = UInt64(CommandRegister.clientLimit)
        for client in 1...limit { #expect(register.admit(Self.id(client, 1), at: 100 + client) == .new) }
        // It began before others were forgotten, and nobody of those that are forgotten is above the index.
        #expect(register.admit(Self.id(limit + 1, 1), at: 5_000) == .new)
        #expect(register.clients.count == Int(limit))
        #expect(register.clients[1] == nil)
        #expect(register.admit(Self.id(1, 1), at: 5_001) == .forgotten)
        #expect(register.admit(Self.id(limit + 2, 1, since: 100), at: 5_002) == .forgotten)
        #expect(register.admit(Self.id(limit + 2, 1, since: 101), at: 5_003) == .new)
    }
}
