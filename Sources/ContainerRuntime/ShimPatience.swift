/// How long the runtime waits for shims.
public struct ShimPatience: Hashable, Sendable {
    /// A shim that takes longer to make its container is ended.
    public var creation = Duration.seconds(120)
    /// A shim that says nothing for so long cannot be reached; one that lives for so long after a SIGKILL cannot be
    /// ended.
    public var answer = Duration.seconds(10)
    /// Until a shim is tried again that lives and could not be reached; each pause is twice the one before.
    public var firstPause = Duration.milliseconds(20)
    public var longestPause = Duration.seconds(10)

    public init() {}

    /// The pauses between attempts.
    struct Pauses {
        private var next: Duration
        private let longest: Duration

        init(_ patience: ShimPatience) { (next, longest) = (patience.firstPause, patience.longestPause) }

        mutating func pause() async {
            try? await Task.sleep(for: next)
            next = min(next * 2, longest)
        }
    }
}
