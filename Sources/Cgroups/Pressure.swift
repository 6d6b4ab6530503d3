/// How long processes waited for a resource (the kernel's Documentation/accounting/psi.rst).
public struct Pressure: Hashable, Sendable {
    public struct Share: Hashable, Sendable {
        /// Percent of the last 10, 60 and 300 seconds.
        public var average10: Double = 0
        public var average60: Double = 0
        public var average300: Double = 0
        /// Microseconds.
        public var total: UInt64 = 0

        public init() {}
    }

    /// At least one process waited; all of them did.
    public var some = Share()
    public var full = Share()

    public init() {}

    /// From `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and the same of `full`; nil for anything else.
    public init?(_ text: String) {
        let lines = text.split(separator: "\n")
        guard !lines.isEmpty else { return nil }
        for line in lines {
            let words = line.split(separator: " ")
            var share = Share()
            for word in words.dropFirst() {
                let pair = word.split(separator: "=", maxSplits: 1)
                guard pair.count == 2 else { return nil }
                switch pair[0] {
                case "avg10": share.average10 = Double(pair[1]) ?? 0
                case "avg60": share.average60 = Double(pair[1]) ?? 0
                case "avg300": share.average300 = Double(pair[1]) ?? 0
                case "total": share.total = UInt64(pair[1]) ?? 0
                default: continue
                }
            }
            switch words.first {
            case "some": some = share
            case "full": full = share
            default: return nil
            }
        }
    }
}
