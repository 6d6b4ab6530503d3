import RaftCore

/// The state that a simulated group keeps: lists of numbers, which only grow. What a read sees of a list is its length
/// and a hash, so that order and content can be checked from outside.
struct ListStore: Hashable {
    /// An append of one client. The same one proposed twice changes the list once.
    struct Command: Hashable {
        var id: CommandID
        var key: UInt64
        var value: UInt64

        init(id: CommandID, key: UInt64, value: UInt64) {
            self.id = id
            self.key = key
            self.value = value
        }

        var bytes: [UInt8] {
            var bytes: [UInt8] = []
            bytes.reserveCapacity(48)
            for number in [id.client, id.since, id.sequence, id.acknowledged, key, value] {
                withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
            }
            return bytes
        }

        init?(bytes: [UInt8]) {
            guard bytes.count == 48 else { return nil }
            func number(_ place: Int) -> UInt64 {
                (0..<8).reduce(0) { $0 | UInt64(bytes[place * 8 + $1]) << UInt64($1 * 8) }
            }
            guard number(2) > number(3) else { return nil }
            let id = CommandID(client: number(0), since: number(1), sequence: number(2), acknowledged: number(3))
            self.init(id: id, key: number(4), value: number(5))
        }
    }

    /// What a client may know of a list.
    struct View: Hashable {
        var count = 0
        var hash: UInt64 = 0

        mutating func add(_ value: UInt64) {
            count += 1
            hash = (hash ^ value) &* 0x0000_0100_0000_01b3
        }
    }

    private(set) var lists: [UInt64: [UInt64]] = [:]
    private var views: [UInt64: View] = [:]
    private var register = CommandRegister()

    func view(_ key: UInt64) -> View { views[key] ?? View() }

    /// - Returns: false for a command of which nobody knows whether it happened before.
    @discardableResult
    mutating func apply(_ command: Command, at index: UInt64) -> Bool {
        switch register.admit(command.id, at: index) {
        case .new:
            lists[command.key, default: []].append(command.value)
            views[command.key, default: View()].add(command.value)
            return true
        case .repeated: return true
        case .forgotten: return false
        }
    }
}
