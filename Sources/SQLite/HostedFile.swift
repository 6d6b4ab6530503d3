/// A file that changes what goes to and comes from a file of the host's; locks and shared memory are that one's.
protocol HostedFile: VirtualFile {
    var real: HostFile { get }
}

extension HostedFile {
    func lock(_ level: Int32) throws(FileRefusal) { try real.lock(level) }

    func unlock(_ level: Int32) throws(FileRefusal) { try real.unlock(level) }

    func isReserved() throws(FileRefusal) -> Bool { try real.isReserved() }

    func control(_ operation: Int32, _ argument: UnsafeMutableRawPointer?) -> Int32 {
        real.control(operation, argument)
    }

    var sectorByteCount: Int32 { real.sectorByteCount }

    var characteristics: Int32 { real.characteristics }

    func sharedRegion(
        _ number: Int, byteCount: Int, extending: Bool
    ) throws(FileRefusal) -> UnsafeMutableRawPointer? {
        try real.sharedRegion(number, byteCount: byteCount, extending: extending)
    }

    func lockShared(_ slots: Range<Int>, _ flags: Int32) throws(FileRefusal) { try real.lockShared(slots, flags) }

    func sharedBarrier() { real.sharedBarrier() }

    func unmapShared(deleting: Bool) throws(FileRefusal) { try real.unmapShared(deleting: deleting) }
}
