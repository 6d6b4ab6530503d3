/// The hosts of a run by their identities, which are 1, 2, 3 and so on: they are looked up all the time.
struct HostTable {
    private var hosts: [SimulatedHost] = []

    var count: Int { hosts.count }
    /// In order.
    var ids: [UInt64] { hosts.map(\.id) }
    /// In the order of identities.
    var all: [SimulatedHost] { hosts }

    subscript(_ id: UInt64) -> SimulatedHost? { id > 0 && id <= hosts.count ? hosts[Int(id) - 1] : nil }

    mutating func add(_ host: SimulatedHost) {
        precondition(host.id == UInt64(hosts.count) + 1, "identities follow each other")
        hosts.append(host)
    }
}
