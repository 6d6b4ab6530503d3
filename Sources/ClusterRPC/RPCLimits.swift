/// Limits of everything that crosses between hosts.
public enum RPCLimits {
    /// The longest message in either direction, in bytes. Longer things (Raft snapshots) go in pieces.
    public static let messageBytes = 16 << 20
    /// The size of a blob's pieces, in bytes.
    public static let blobChunkBytes = 256 << 10
    /// The most calls and streams at once on one connection.
    public static let streamsPerConnection = 1024
    /// How many bytes of a stream may be on their way before its receiver takes them.
    static let windowBytes = 4 << 20
    /// The longest name of a method of `call`, in bytes.
    public static let methodNameBytes = 128
    /// How often a client asks its connection for a sign of life.
    public static let keepaliveInterval: Duration = .milliseconds(800)
    /// A connection without a sign of life for this long is closed, by either side; so is one that is not open by then.
    public static let silence: Duration = .seconds(3)
    /// The first wait before a lost connection is opened again, and the longest.
    public static let reconnectBackoff: ClosedRange<Duration> = .milliseconds(100) ... .seconds(1)
    /// The most messages that wait in a Raft channel.
    public static let raftQueueMessages = 4096
    /// The most bytes that wait in a Raft channel.
    public static let raftQueueBytes = 64 << 20
    /// How long a connection that is closed waits for the peer's own end of TLS, which a dead peer never sends.
    static let farewell: Duration = .milliseconds(200)
    /// A connection without calls is closed after this time.
    static let idle: Duration = .seconds(600)
    /// How long a call may take where its caller says nothing.
    public static let callTimeout: Duration = .seconds(10)
    /// How long the calls under way may still take when a server shuts down.
    public static let shutdownGrace: Duration = .seconds(1)
}
