import Testing

@testable import ClusterPKI

@Suite struct JoinTokenTests {
    static let text =
        "SWMTKN-1-0000000000000000000000000000000000000000000000000a-0123456789abcdefghijklmno"

    @Test("A digest in base 36: golden values and back")
    func digest() throws {
        let zero = try #require(CADigest(bytes: [UInt8](repeating: 0, count: 32)))
        #expect(zero.base36 == String(repeating: "0", count: 50))
        let largest = try #require(CADigest(bytes: [UInt8](repeating: 255, count: 32)))
        #expect(largest.base36 == "6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtof")
        #expect(CADigest(base36: largest.base36) == largest)
        #expect(CADigest(base36: "6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtog") == nil, "one more than fits")
        #expect(CADigest(base36: String(repeating: "z", count: 50)) == nil)
        #expect(CADigest(base36: String(repeating: "A", count: 50)) == nil)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let digest = try #require(
                CADigest(bytes: (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }))
            #expect(digest.base36.utf8.count == 50)
            #expect(CADigest(base36: digest.base36) == digest)
        }
    }

    @Test func textAndBack() throws {
        let token = try JoinToken(parsing: Self.text)
        #expect(token.digest.bytes == [UInt8](repeating: 0, count: 31) + [10])
        #expect(token.secret == "0123456789abcdefghijklmno")
        #expect(token.text == Self.text)
        var generator = SystemRandomNumberGenerator()
        let other = JoinToken(digest: token.digest, using: &generator)
        #expect(try JoinToken(parsing: other.text) == other)
        #expect(!other.matches(token))
        #expect(other.matches(try JoinToken(parsing: other.text)))
    }

    @Test(
        "Anything else is Docker's \"invalid join token\"",
        arguments: [
            "", "SWMTKN", "SWMTKN-1", text + "-", text + "x", "X" + text, String(text.dropLast()),
            text.replacing("SWMTKN-1", with: "SWMTKN-2"), text.replacing("SWMTKN", with: "swmtkn"),
            text.replacing("mno", with: "MNO"), text.replacing("0a-", with: "0-"),
            text.replacing("-0123", with: "-012ü"),
            "SWMTKN-1-" + String(repeating: "z", count: 50) + "-0123456789abcdefghijklmno",
        ])
    func refused(text: String) {
        let error = #expect(throws: PKIError.self) { try JoinToken(parsing: text) }
        #expect(error == .invalidJoinToken)
        #expect(error?.description == "invalid join token")
    }
}
