import Testing
import Values

@Suite struct SipHashTests {
    /// vectors.h of the reference implementation (vectors_sip128): keys and inputs of rising bytes.
    @Test(
        "The reference's vectors",
        arguments: [
            (0, "a3817f04ba25a8e66df67214c7550293"), (1, "da87c1d86b99af44347659119b22fc45"),
            (2, "8177228da4a45dc7fca38bdef60affe4"), (15, "5493e99933b0a8117e08ec0f97cfc3d9"),
            (16, "6ee2a4ca67b054bbfd3315bf85230577"),
        ])
    func vectors(length: Int, expected: String) {
        let (first, last) = SipHash.hash((0..<length).map { UInt8($0) })
        var bytes: [UInt8] = []
        for word in [first, last] {
            for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * UInt64(shift)))) }
        }
        #expect(Hex.encode(bytes) == expected)
    }
}
