import Values

/// Which operations on a disk fail, and when. SQLite gets `SQLITE_IOERR_READ`, `SQLITE_IOERR_WRITE` or
/// `SQLITE_IOERR_FSYNC` for them, and `SQLITE_FULL` for writes that find no room (https://www.sqlite.org/rescode.html).
public struct DiskFaults: Sendable, Hashable {
    public enum Operation: String, Sendable, Hashable, CaseIterable {
        case read, write, sync
        /// A write for which there is no room, on a `FaultyDisk`; a `SimulatedDisk` has a capacity.
        case full
    }

    /// Failures that come at a certain time: so many operations of a kind go well, then so many fail.
    public struct Series: Sendable, Hashable {
        public var operation: Operation
        /// Only files whose name ends with this count: `-wal`, for example.
        public var suffix: String
        public var skipped: Int
        public var count: Int

        public init(_ operation: Operation, suffix: String = "", after skipped: Int = 0, count: Int = 1) {
            self.operation = operation
            self.suffix = suffix
            self.skipped = skipped
            self.count = count
        }
    }

    /// How many of a million operations of a kind fail by chance.
    public var perMillion: [Operation: UInt32] = [:]
    public var series: [Series] = []

    public init() {}

    /// `read=20,write=100,sync=50,full=200`: how many of a million operations of each kind fail.
    public init(parsing text: String) throws(DiskFaultsError) {
        for part in text.split(separator: ",") {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2, let operation = Operation(rawValue: String(sides[0])),
                let count = UInt32(sides[1]), count <= 1_000_000
            else { throw DiskFaultsError(part: String(part)) }
            perMillion[operation] = count
        }
    }

    /// Whether this operation fails; it is counted.
    mutating func fails(_ operation: Operation, on path: String, _ generator: inout SplitMix64) -> Bool {
        var fails = false
        for position in series.indices
        where series[position].operation == operation && path.hasSuffix(series[position].suffix) {
            if series[position].skipped > 0 {
                series[position].skipped -= 1
            } else if series[position].count > 0 {
                series[position].count -= 1
                fails = true
            }
        }
        if let chance = perMillion[operation], chance > 0, generator.below(1_000_000) < Int(chance) { fails = true }
        return fails
    }
}

/// A description of faults that is none.
public struct DiskFaultsError: Error, Hashable, CustomStringConvertible {
    public let part: String

    public var description: String {
        "'\(part)' describes no faults of a disk: read=N, write=N, sync=N or full=N is expected, N of a million"
    }
}

extension SplitMix64 {
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    mutating func chance(_ share: Int, of whole: Int) -> Bool { below(whole) < share }
}
