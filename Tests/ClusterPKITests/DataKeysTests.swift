import ClusterModel
import JSON
import Testing
import Values

@testable import ClusterPKI

/// What seals the cluster's secrets.
@Suite struct DataKeysTests {
    private static let place = SecretObject.place("1")
    private static let secret = Array("correct horse battery staple".utf8)

    private func keys() -> DataKeys {
        var generator = SystemRandomNumberGenerator()
        var keys = DataKeys()
        keys.add(using: &generator)
        return keys
    }

    @Test func sealedAndOpened() throws {
        let keys = keys()
        for bytes in [Self.secret, [], [0], [UInt8](repeating: 7, count: SecretObject.dataLimit)] {
            let value = try keys.seal(bytes, for: Self.place)
            #expect(try keys.open(value, for: Self.place) == bytes)
            #expect([value.keyID] == keys.ids)
        }
        let value = try keys.seal(Self.secret, for: Self.place)
        #expect(try keys.seal(Self.secret, for: Self.place) != value, "every nonce is another")
        #expect(Base64.decode(value.box)?.count == 12 + Self.secret.count + 16, "RFC 5116 section 5.2")
    }

    @Test("A value opens for the object that it was sealed for, and for no other")
    func places() throws {
        let keys = keys()
        let value = try keys.seal(Self.secret, for: Self.place)
        for place in [
            SecretObject.place("2"), .init(kind: .config, id: "1", field: "data"),
            .init(kind: .secret, id: "1", field: "other"), .init(kind: .secret, id: "1data", field: ""),
        ] {
            #expect(throws: PKIError.sealBroken) { try keys.open(value, for: place) }
        }
    }

    @Test("Every bit counts, and so does the length")
    func changed() throws {
        let keys = keys()
        let value = try keys.seal([1, 2, 3], for: Self.place)
        let bytes = try #require(Base64.decode(value.box))
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 1
            #expect(throws: PKIError.sealBroken) {
                try keys.open(SealedValue(keyID: value.keyID, box: Base64.encode(other)), for: Self.place)
            }
        }
        for box in [Base64.encode(Array(bytes.dropLast())), Base64.encode(bytes + [0]), "", "AAAA", "no base64!"] {
            #expect(throws: PKIError.sealBroken) {
                try keys.open(SealedValue(keyID: value.keyID, box: box), for: Self.place)
            }
        }
    }

    @Test("A newer key seals, an older one still opens; another manager's keys are taken over")
    func several() throws {
        var keys = keys()
        let early = try keys.seal(Self.secret, for: Self.place)
        var generator = SystemRandomNumberGenerator()
        keys.add(using: &generator)
        let late = try keys.seal(Self.secret, for: Self.place)
        #expect([early.keyID, late.keyID] == keys.ids)
        #expect(try keys.open(early, for: Self.place) == Self.secret)
        #expect(try keys.open(late, for: Self.place) == Self.secret)

        var others = self.keys()
        let own = others.ids
        #expect(throws: PKIError.noDataKey(early.keyID)) { try others.open(early, for: Self.place) }
        others.merge(keys)
        #expect(others.ids == own + keys.ids, "what the other seals with seals here, too")
        others.merge(keys)
        #expect(others.ids == own + keys.ids)
        #expect(try others.open(early, for: Self.place) == Self.secret)
        #expect(throws: PKIError.noDataKey(nil)) { try DataKeys().seal(Self.secret, for: Self.place) }
    }

    @Test("Any key may seal; what is older than one can be forgotten")
    func chosen() throws {
        var keys = keys()
        var generator = SystemRandomNumberGenerator()
        let (second, third) = (keys.add(using: &generator), keys.add(using: &generator))
        let first = keys.ids[0]
        #expect(try keys.seal(Self.secret, for: Self.place, under: second).keyID == second)
        #expect(throws: PKIError.noDataKey("x")) { try keys.seal(Self.secret, for: Self.place, under: "x") }
        keys.removeKeys(olderThan: "x")
        #expect(keys.ids == [first, second, third])
        keys.removeKeys(olderThan: second)
        #expect(keys.ids == [second, third])
        keys.remove(third)
        #expect(keys.ids == [second])
    }

    @Test("What was never sealed opens as it is")
    func unsealed() throws {
        let value = SealedValue(unsealed: "SWMTKN-1-a")
        #expect(try DataKeys().open(value, for: Self.place) == Array("SWMTKN-1-a".utf8))
    }

    @Test("A key that is not 32 bytes long seals nothing")
    func short() throws {
        let keys = try JSONCoding.decode(DataKeys.self, from: Array(#"{"keys":[{"id":"a","secret":"c2hvcnQ="}]}"#.utf8))
        #expect(throws: PKIError.self) { try keys.seal(Self.secret, for: Self.place) }
    }

    @Test func theyDoNotShowThemselves() throws {
        let keys = keys()
        #expect("\(keys)" == "data keys \(keys.ids)")
    }
}
