import Values

/// Names of stacks of layers (OCI image-spec: config, Layer ChainID).
public enum ChainID {
    /// The chain identifier of each layer on those below it; the first is its diff id.
    ///
    /// - Parameter sha256: the digest of bytes, handed in because a core has no cryptography.
    public static func chain(of diffIDs: [Digest], sha256: ([UInt8]) -> Digest) -> [Digest] {
        var chain: [Digest] = []
        for diffID in diffIDs {
            chain.append(chain.last.map { sha256(Array("\($0) \(diffID)".utf8)) } ?? diffID)
        }
        return chain
    }
}
