/// What goes wrong in a lab, and for how long.
enum ChaosFault: Hashable, Sendable {
    /// Daemons are killed with SIGKILL, and started when the fault ends. What they had not synced is lost.
    case kill([Int])
    /// The plug of hosts is pulled.
    case powerOff([Int])
    /// Every process of hosts stands still.
    case freeze([Int])
    /// These hosts reach each other, and are reached by no other.
    case isolate([Int])
    /// Two hosts do not reach each other, though others reach both.
    case cut(Int, Int)
    /// What the first sends does not reach the second.
    case cutOneWay(from: Int, to: Int)
    /// A daemon is killed and runs on a disk whose operations fail by chance.
    case disk(Int, faults: String)

    enum Kind: String, CaseIterable, Sendable {
        case kill
        case powerOff = "power off"
        case freeze
        case isolate
        case cut
        case cutOneWay = "cut one way"
        case disk
    }

    var kind: Kind {
        switch self {
        case .kill: .kill
        case .powerOff: .powerOff
        case .freeze: .freeze
        case .isolate: .isolate
        case .cut: .cut
        case .cutOneWay: .cutOneWay
        case .disk: .disk
        }
    }

    /// The hosts that cannot be counted on while it lasts. Of two that do not reach each other, one.
    var impaired: [Int] {
        switch self {
        case .kill(let hosts), .powerOff(let hosts), .freeze(let hosts), .isolate(let hosts): hosts
        case .cut(let host, _), .cutOneWay(let host, _), .disk(let host, _): [host]
        }
    }

    /// The hosts whose processes it touches; two such faults of one host do not overlap.
    var touched: [Int] {
        switch self {
        case .kill(let hosts), .powerOff(let hosts), .freeze(let hosts): hosts
        case .disk(let host, _): [host]
        case .isolate, .cut, .cutOneWay: []
        }
    }
}

extension ChaosFault: CustomStringConvertible {
    var description: String {
        func names(_ hosts: [Int]) -> String { hosts.map { "h\($0 + 1)" }.joined(separator: " ") }
        return switch self {
        case .kill(let hosts), .powerOff(let hosts), .freeze(let hosts), .isolate(let hosts):
            "\(kind.rawValue) \(names(hosts))"
        case .cut(let one, let other), .cutOneWay(let one, let other): "\(kind.rawValue) \(names([one, other]))"
        case .disk(let host, let faults): "disk of \(names([host])) with \(faults)"
        }
    }
}
