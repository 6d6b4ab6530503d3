import Testing
import Values

@Suite struct ValuesTests {
    @Test(
        "RFC 4648 section 10: base64 test vectors",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy"),
        ])
    func base64(plain: String, encoded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(plain.utf8))
    }

    @Test func base64RefusesOtherText() {
        #expect(Base64.decode("Zg=a") == nil)
        #expect(Base64.decode("A") == nil)
        #expect(Base64.decode("+/-_") == Base64.decode("-_+/"))
    }

    @Test func hexRoundTrip() {
        let bytes: [UInt8] = [0, 1, 0x7f, 0x80, 0xff]
        #expect(Hex.encode(bytes) == "00017f80ff")
        #expect(Hex.decode("00017F80ff") == bytes)
        #expect(Hex.decode("0") == nil)
        #expect(Hex.decode("0g") == nil)
    }

    @Test(
        "RFC 3339 text of moments",
        arguments: [
            (Int64(0), "1970-01-01T00:00:00Z"), (1, "1970-01-01T00:00:00.000000001Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"), (1_709_208_000_500_000_000, "2024-02-29T12:00:00.5Z"),
            (951_782_399_000_000_000, "2000-02-28T23:59:59Z"), (-2_208_988_800_000_000_000, "1900-01-01T00:00:00Z"),
        ])
    func timestamps(nanoseconds: Int64, text: String) {
        #expect(Timestamp(nanosecondsSinceEpoch: nanoseconds).description == text)
        #expect(Timestamp(rfc3339: text)?.nanosecondsSinceEpoch == nanoseconds)
    }

    @Test func timestampsWithOffsetsAndNonsense() {
        #expect(Timestamp(rfc3339: "2024-02-29T12:00:00+01:30")?.description == "2024-02-29T10:30:00Z")
        for text in ["", "2024-02-29", "2024-13-01T00:00:00Z", "2024-02-29T12:00:00", "2024-02-29T12:00:00.Z"] {
            #expect(Timestamp(rfc3339: text) == nil)
        }
    }

    @Test(
        "RFC 5952 section 4: the one text of an IPv6 address",
        arguments: [
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("::", "::"), ("::1", "::1"), ("fe80::", "fe80::"),
            ("2001:DB8::A", "2001:db8::a"), ("::ffff:10.0.0.1", "::ffff:a00:1"), ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
        ])
    func ipv6(text: String, canonical: String) throws {
        #expect(try #require(IPAddress(text)).description == canonical)
    }

    @Test(
        "Text that is no address",
        arguments: [
            "", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4.5", ":", ":::", "1::2::3", "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "12345::", "::1.2.3", "1:2:3:4:5:6:7::8",
        ])
    func notAnAddress(text: String) { #expect(IPAddress(text) == nil) }

    @Test func cidr() throws {
        let cidr = try #require(CIDR("10.0.1.77/22"))
        #expect(cidr.network.description == "10.0.0.0/22")
        #expect(cidr.last.description == "10.0.3.255")
        #expect(cidr.netmask.description == "255.255.252.0")
        #expect(cidr.count == 1024)
        #expect(cidr.host(257).description == "10.0.1.1")
        #expect(cidr.contains(try #require(IPAddress("10.0.3.9"))))
        #expect(!cidr.contains(try #require(IPAddress("10.0.4.0"))))
        #expect(cidr.overlaps(try #require(CIDR("10.0.0.0/8"))))
        #expect(CIDR("10.0.0.0/33") == nil)
        #expect(CIDR("10.0.0.0/+8") == nil)
    }

    @Test func macDerivedFromAddress() throws {
        #expect(MACAddress(derivedFrom: try #require(IPAddress("172.17.0.2")))?.description == "02:42:ac:11:00:02")
        #expect(MACAddress("02:42:ac:11:00") == nil)
    }

    @Test(
        "Docker's sizes",
        arguments: [
            (Int64(0), "0B", "0B"), (999, "999B", "999B"), (4_261_550, "4.26MB", "4.064MiB"),
            (2_087_280_640, "2.09GB", "1.944GiB"), (123_456, "123kB", "120.6KiB"),
        ])
    func sizes(bytes: Int64, decimal: String, binary: String) {
        #expect(ByteCount(bytes).description == decimal)
        #expect(ByteCount(bytes).binaryDescription == binary)
    }

    @Test func parsedSizes() {
        #expect(ByteCount(parsing: "64k")?.bytes == 65536)
        #expect(ByteCount(parsing: "1.5GiB")?.bytes == 1_610_612_736)
        #expect(ByteCount(parsing: "100")?.bytes == 100)
        for text in ["", "m", "-1", "1x", "nan", "1e3"] { #expect(ByteCount(parsing: text) == nil) }
    }

    @Test func digests() {
        let text = "sha256:" + String(repeating: "0f", count: 32)
        #expect(Digest(parsing: text)?.description == text)
        #expect(Digest(parsing: "sha256:00") == nil)
        #expect(Digest(parsing: text.uppercased()) == nil)
        #expect(Digest(parsing: "sha512:" + text) == nil)
    }
}
