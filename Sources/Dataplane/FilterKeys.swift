import Netlink
import NetworkModel
import Values

/// Keys and values of sets as bytes: parts of concatenations are padded to four.
enum FilterKeys {
    /// nft's numbers of types, for printing.
    static let address: UInt32 = 7
    static let linkAddress: UInt32 = 9
    static let transport: UInt32 = 12
    static let port: UInt32 = 13
    static let mark: UInt32 = 19
    static let interface: UInt32 = 41

    static func concatenated(_ types: UInt32...) -> UInt32 { types.reduce(0) { $0 << 6 | $1 } }

    static func interface(_ name: String) -> [UInt8] {
        Array((Array(name.utf8) + [UInt8](repeating: 0, count: 16)).prefix(16))
    }

    static func name(_ bytes: [UInt8]) -> String { String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }

    static func port(_ port: UInt16) -> [UInt8] { [UInt8(port >> 8), UInt8(truncatingIfNeeded: port), 0, 0] }

    static func port(_ transport: PortTransport, _ number: UInt16) -> [UInt8] {
        [transport.number, 0, 0, 0] + port(number)
    }

    static func number(_ value: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(value)) { Array($0) } }
    static func zone(_ value: UInt16) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

    static func portNumber(_ bytes: some Collection<UInt8>) -> UInt16 {
        bytes.prefix(2).reduce(0) { $0 << 8 | UInt16($1) }
    }
}

/// Steps of rules that several tables use.
enum Steps {
    static func input(_ name: String, isEqual: Bool = true) -> [FilterExpression] {
        [.load(.inputName), .compare(FilterKeys.interface(name), isEqual: isEqual)]
    }

    static func output(_ name: String) -> [FilterExpression] {
        [.load(.outputName), .compare(FilterKeys.interface(name))]
    }

    static func input(in set: String) -> [FilterExpression] { [.load(.inputName), .look(up: set)] }

    static func output(in set: String, isInverted: Bool = false) -> [FilterExpression] {
        [.load(.outputName), .look(up: set, isInverted: isInverted)]
    }

    /// A bit of connection tracking's state or status.
    static func has(_ field: FilterExpression.Connection, _ bits: UInt32) -> [FilterExpression] {
        [.load(field), .mask(bits), .compare([0, 0, 0, 0], isEqual: false)]
    }

    static let sourceAddress = 12
    static let destinationAddress = 16

    static func address(_ offset: Int, _ register: Int = 0) -> FilterExpression {
        .load(.network, offset: offset, length: 4, register)
    }

    /// Transport and destination port, in two registers.
    static func transportAndPort(_ register: Int = 0) -> [FilterExpression] {
        [.load(.transport, register), .load(.transport, offset: 2, length: 2, register + 1)]
    }

    static let tcp: [FilterExpression] = [.load(.transport), .compare([6])]

    /// Refuses what comes along, so that nobody waits for an answer.
    static let refusal = FilterChain(rules: [
        FilterRule("meta l4proto tcp reject with tcp reset", tcp + [.rejectWithReset]),
        FilterRule("reject", [.rejectUnreachable]),
    ])
    static let refusalName = "refuse"

    /// The chain that chooses among `count` backends.
    static func chooser(_ count: Int) -> String { "n\(count)" }
}
