/// Guards a snapshot's bytes against accidents on their way (FNV-1a, 64 bits); it is no proof against malice, which
/// mutual TLS keeps out.
public struct SnapshotChecksum: Sendable {
    public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    public init() {}

    public mutating func add(_ bytes: [UInt8]) {
        var value = value
        bytes.withUnsafeBufferPointer { for byte in $0 { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 } }
        self.value = value
    }
}
