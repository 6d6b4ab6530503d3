/// The state that a simulated group keeps: lists of numbers, which only grow. What a read sees of a list is its length
/// and a hash, so that order and content can be checked from outside.
struct ListStore: Hashable {
    /// An append of one client. The same one proposed twice changes the list once.
    struct Command: Hashable {
        var client: UInt64
        /// Grows with each append of the client.
        var sequence: UInt64
        var key: UInt64
        var value: UInt64

        var bytes: [UInt8] {
            [client, sequence, key, value].flatMap { number in
                (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
            }
        }

        init(client: UInt64, sequence: UInt64, key: UInt64, value: UInt64) {
            self.client = client
            self.sequence = sequence
            self.key = key
            self.value = value
        }

        init?(bytes: [UInt8]) {
            guard bytes.count == 32 else { return nil }
            func number(_ place: Int) -> UInt64 {
                (0..<8).reduce(0) { $0 | UInt64(bytes[place * 8 + $1]) << UInt64($1 * 8) }
            }
            self.init(client: number(0), sequence: number(1), key: number(2), value: number(3))
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
    /// The last append of each client that was carried out.
    private var sequences: [UInt64: UInt64] = [:]

    func view(_ key: UInt64) -> View { views[key] ?? View() }

    mutating func apply(_ command: Command) {
        guard sequences[command.client] ?? 0 < command.sequence else { return }
        sequences[command.client] = command.sequence
        lists[command.key, default: []].append(command.value)
        views[command.key, default: View()].add(command.value)
    }
}
