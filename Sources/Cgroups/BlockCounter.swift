import LinuxSystem

/// A figure of one device and one kind of operation: `Read`, `Write`, `Sync`, `Async`, `Discard`, `Total`; empty where
/// the kernel does not tell them apart.
public struct BlockCounter: Hashable, Sendable {
    /// The kernel's names in v1.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case serviceBytes = "io_service_bytes"
        case serviced = "io_serviced"
        case queued = "io_queued"
        case serviceTime = "io_service_time"
        case waitTime = "io_wait_time"
        case merged = "io_merged"
        case time
        case sectors
    }

    public var major: Int64
    public var minor: Int64
    public var operation: String
    public var value: Int64

    public init(major: Int64, minor: Int64, operation: String, value: Int64) {
        self.major = major
        self.minor = minor
        self.operation = operation
        self.value = value
    }

    /// Lines such as `8:0 Read 1282048` and `8:0 6792`; sums over all devices are left out.
    static func legacy(_ text: String) -> [BlockCounter] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard (2...3).contains(words.count), let (major, minor) = device(words[0]), let value = Int64(words.last!)
            else { return nil }
            return BlockCounter(
                major: major, minor: minor, operation: words.count == 3 ? String(words[1]) : "", value: value)
        }
    }

    /// v2's lines `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`.
    static func unified(_ text: String) -> [Kind: [BlockCounter]] {
        let names: [Substring: (Kind, String)] = [
            "rbytes": (.serviceBytes, "Read"), "wbytes": (.serviceBytes, "Write"), "dbytes": (.serviceBytes, "Discard"),
            "rios": (.serviced, "Read"), "wios": (.serviced, "Write"), "dios": (.serviced, "Discard"),
        ]
        var result: [Kind: [BlockCounter]] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard let first = words.first, let (major, minor) = device(first) else { continue }
            for word in words.dropFirst() {
                let pair = word.split(separator: "=")
                guard pair.count == 2, let (kind, operation) = names[pair[0]], let value = Int64(pair[1]) else {
                    continue
                }
                result[kind, default: []].append(
                    BlockCounter(major: major, minor: minor, operation: operation, value: value))
            }
        }
        return result
    }

    /// A v1 group's, from the scheduler that counts: BFQ, CFQ, otherwise the throttling layer, whose sums over the
    /// groups below came with Linux 4.20.
    static func legacyGroup(_ path: String) -> [Kind: [BlockCounter]] {
        for (prefix, suffix) in [
            ("blkio.bfq.", "_recursive"), ("blkio.", "_recursive"), ("blkio.throttle.", "_recursive"),
            ("blkio.throttle.", ""),
        ] {
            func counters(_ kind: Kind) -> [BlockCounter] {
                legacy((try? Files.text("\(path)/\(prefix)\(kind.rawValue)\(suffix)")) ?? "")
            }
            guard !counters(.serviced).isEmpty else { continue }
            return Dictionary(uniqueKeysWithValues: Kind.allCases.map { ($0, counters($0)) })
                .filter { !$0.value.isEmpty }
        }
        return [:]
    }

    private static func device(_ text: Substring) -> (Int64, Int64)? {
        let numbers = text.split(separator: ":").map { Int64($0) }
        guard numbers.count == 2, let major = numbers[0], let minor = numbers[1] else { return nil }
        return (major, minor)
    }
}
