/// How much of the past is kept.
///
/// The horizon is the oldest revision that can still be shown: the smallest one after which there are no more records
/// and bytes than these. Before it each object that exists there has its newest record left, so that the state of
/// specifications at every later revision can be told. Both follow from the log alone.
public struct HistoryLimits: Hashable, Sendable {
    /// Records after the horizon.
    public var recordCount: Int
    /// Their specifications together, as JSON texts in bytes.
    public var specificationBytes: Int

    public static let standard = HistoryLimits(recordCount: 10_000, specificationBytes: 64 << 20)

    public init(recordCount: Int, specificationBytes: Int) {
        self.recordCount = recordCount
        self.specificationBytes = specificationBytes
    }
}
