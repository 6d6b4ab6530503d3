import Testing

@testable import RaftNode

/// The thread that applies while the node's thread waits for the disk.
@Suite struct ApplierTests {
    private func command(_ index: UInt64, _ text: String) -> CommittedCommand {
        CommittedCommand(index: index, term: 1, bytes: Array(text.utf8))
    }

    @Test("one hand-over after the other, with what the state machine answers or throws") func handOver() throws {
        let applier = Applier()
        let machine = ListMachine()
        #expect(!applier.begin([command(1, "a")], on: machine), "there is no thread yet")
        applier.start()
        #expect(applier.begin([command(1, "a"), command(2, "b")], on: machine))
        #expect(try applier.finish().get() == [Array("a!".utf8), Array("b!".utf8)])
        machine.state.withLock { $0.refused = "c" }
        #expect(applier.begin([command(3, "c")], on: machine))
        #expect(throws: ListMachine.Refused.self) { try applier.finish().get() }
        #expect(applier.begin([command(4, "d")], on: machine))
        #expect(try applier.finish().get() == [Array("d!".utf8)])
        applier.stop()
        #expect(machine.texts == ["a", "b", "d"])
        #expect(!applier.begin([command(5, "e")], on: machine), "there is no thread any more")
    }

    @Test("nobody holds the state machine when it has stopped") func release() throws {
        let applier = Applier()
        var machine: ListMachine? = ListMachine()
        weak let reference = machine
        applier.start()
        #expect(applier.begin([command(1, "a")], on: try #require(machine)))
        _ = applier.finish()
        applier.stop()
        machine = nil
        #expect(reference == nil)
    }
}
