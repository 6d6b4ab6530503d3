import Testing

@testable import SystemdUnits

/// D-Bus specification: Marshaling, Message Protocol.
@Suite struct DBusMessageTests {
    /// A call with a string, byte for byte.
    static let golden: [UInt8] =
        [0x6c, 1, 0, 1] + [8, 0, 0, 0] + [7, 0, 0, 0] + [0x27, 0, 0, 0]  // order, call, flags, version; lengths
        + [1, 1, 0x6f, 0] + [2, 0, 0, 0] + Array("/a".utf8) + [0] + [0, 0, 0, 0, 0]  // path
        + [3, 1, 0x73, 0] + [4, 0, 0, 0] + Array("Ping".utf8) + [0] + [0, 0, 0]  // member
        + [8, 1, 0x67, 0] + [1, 0x73, 0] + [0]  // signature "s", padding
        + [3, 0, 0, 0] + Array("abc".utf8) + [0]

    static func ping() -> DBusMessage {
        var message = DBusMessage(.call)
        message.serial = 7
        message.path = "/a"
        message.member = "Ping"
        message.body = [.string("abc")]
        return message
    }

    @Test func goldenBytes() throws {
        #expect(try Self.ping().encoded() == Self.golden)
        #expect(try DBusMessage.decode(Self.golden) == Self.ping())
        #expect(try DBusMessage.length(ofMessageBeginning: Self.golden) == Self.golden.count)
    }

    @Test func goldenProperties() {
        var writer = DBusWriter()
        writer.write(UnitProperty.array([UnitProperty("A", .uint64(5)), UnitProperty("B", .bool(true))]))
        #expect(
            writer.bytes == [40, 0, 0, 0, 0, 0, 0, 0]
                + [1, 0, 0, 0, 0x41, 0] + [1, 0x74, 0] + [0, 0, 0, 0, 0, 0, 0] + [5, 0, 0, 0, 0, 0, 0, 0]
                + [1, 0, 0, 0, 0x42, 0] + [1, 0x62, 0] + [0, 0, 0] + [1, 0, 0, 0])
    }

    static let everything: [DBusValue] = [
        .byte(1), .bool(true), .int16(-2), .uint16(3), .int32(-4), .uint32(5), .int64(-6), .uint64(.max), .double(0.5),
        .string("h\u{e4}"), .objectPath("/a/b_1"), .signature("a{sv}(ii)"), .bytes([1, 2, 3]), .strings(["a", ""]),
        .array(.entry(.string, .variant), [.entry(.string("k"), .variant(.strings(["x"])))]),
        .structure([.string("a"), .variant(.structure([.byte(1), .uint64(2)]))]),
        .array(.structure([.basic(.string), .array(.structure([.basic(.string), .variant]))]), []), .descriptor(0),
    ]

    @Test func everyTypeComesBack() throws {
        var message = Self.ping()
        message.body = Self.everything
        #expect(try DBusMessage.decode(try message.encoded()) == message)
    }

    @Test func mostSignificantByteFirstIsRead() throws {
        let bytes: [UInt8] =
            [0x42, 2, 1, 1] + [0, 0, 0, 4] + [0, 0, 0, 9] + [0, 0, 0, 15]
            + [5, 1, 0x75, 0, 0, 0, 1, 2] + [8, 1, 0x67, 0, 1, 0x75, 0] + [0] + [0, 0, 0, 3]
        let message = try #require(try DBusMessage.decode(bytes))
        #expect(message.replySerial == 258)
        #expect(message.body == [.uint32(3)])
    }

    /// Whatever is cut off or changed is an error or another message, never a trap.
    @Test func truncatedAndChangedMessages() throws {
        var message = Self.ping()
        message.body = Self.everything
        let bytes = try message.encoded()
        for count in 0..<bytes.count {
            #expect(throws: SystemdError.self) { try DBusMessage.decode(Array(bytes[..<count])) }
        }
        var changed = 0
        for index in bytes.indices {
            for value in [0, 1, 0x7f, 0xff] as [UInt8] where bytes[index] != value {
                var copy = bytes
                copy[index] = value
                if (try? DBusMessage.decode(copy)) != message { changed += 1 }
            }
        }
        #expect(changed > bytes.count * 3, "bytes that say nothing")
    }

    @Test func hostileMessages() throws {
        func fails(_ change: (inout [UInt8]) -> Void) {
            var bytes = Self.golden
            change(&bytes)
            #expect(throws: SystemdError.self) { try DBusMessage.decode(bytes) }
        }
        fails { $0[0] = 0x78 }  // byte order
        fails { $0[1] = 0 }  // kind
        fails { $0[3] = 2 }  // version
        fails { $0[8] = 0 }  // serial 0
        fails { $0.append(0) }
        fails { $0[24] = 0x62 }  // the path begins otherwise
        fails { $0[28] = 1 }  // padding
        fails { $0[$0.count - 1] = 1 }  // no zero at the end
        fails { $0[$0.count - 2] = 0 }  // a zero within
        fails { $0[$0.count - 2] = 0xff }  // no UTF-8
        fails { $0.replaceSubrange(($0.count - 8)..<($0.count - 4), with: [0xff, 0xff, 0xff, 0xff]) }
        for place in [4, 12] {
            var bytes = Self.golden
            bytes.replaceSubrange(place..<(place + 4), with: [0xff, 0xff, 0xff, 0x7f])
            #expect(throws: SystemdError.self) { try DBusMessage.length(ofMessageBeginning: bytes) }
        }
        var unknown = Self.golden
        unknown[1] = 9
        #expect(try DBusMessage.decode(unknown) == nil)
        var incomplete = Self.ping()
        incomplete.member = nil
        let bytes = try incomplete.encoded()
        #expect(throws: SystemdError.self) { try DBusMessage.decode(bytes) }
    }

    @Test func variantsNestSoDeepOnly() throws {
        func nested(_ depth: Int) -> DBusValue { (0..<depth).reduce(.byte(1)) { value, _ in .variant(value) } }
        var message = Self.ping()
        message.body = [nested(60)]
        #expect(try DBusMessage.decode(try message.encoded()) == message)
        message.body = [nested(70)]
        let bytes = try message.encoded()
        #expect(throws: SystemdError.self) { try DBusMessage.decode(bytes) }
    }

    @Test func whatCannotBeSentIsRefused() {
        var message = Self.ping()
        message.body = [.bytes([UInt8](repeating: 0, count: DBusMessage.sizeLimit))]
        #expect(throws: SystemdError.self) { try message.encoded() }
        message.body = [.string("a\0b")]
        #expect(throws: SystemdError.self) { try message.encoded() }
    }

    @Test(arguments: [
        "a", "(", "()", "(s", ")", "{sv}", "a{vs}", "a{s}", "a{sv", "z", String(repeating: "a", count: 40) + "s",
        String(repeating: "(", count: 40) + "s" + String(repeating: ")", count: 40), String(repeating: "s", count: 256),
    ])
    func whatIsNoSignature(_ text: String) {
        #expect(throws: SystemdError.self) { try DBusType.parse(text) }
    }
}
