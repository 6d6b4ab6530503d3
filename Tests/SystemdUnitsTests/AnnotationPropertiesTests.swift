import Testing

@testable import SystemdUnits

/// Annotations `org.systemd.property.*` (runc, docs/systemd.md: Auxiliary properties; GVariant Text Format).
@Suite struct AnnotationPropertiesTests {
    @Test(
        arguments: [
            ("true", .bool(true)), ("false", .bool(false)), ("5", .int32(5)), ("-5", .int32(-5)), ("1.5", .double(1.5)),
            ("uint64 123456789", .uint64(123_456_789)), ("@t 5", .uint64(5)), ("byte 255", .byte(255)),
            ("int16 -1", .int16(-1)), ("uint32 7", .uint32(7)), ("double 2", .double(2)), ("boolean true", .bool(true)),
            ("'inactive-or-failed'", .string("inactive-or-failed")), ("\"it's\"", .string("it's")),
            (#"'it\'s\n\\'"#, .string("it's\n\\")), ("objectpath '/a/b'", .objectPath("/a/b")),
            (" ['a.service', 'b.service'] ", .strings(["a.service", "b.service"])),
            ("[uint32 1, uint32 2]", .array(.basic(.uint32), [.uint32(1), .uint32(2)])),
        ] as [(String, DBusValue)])
    func values(text: String, value: DBusValue) {
        #expect(VariantText.parse(text) == value)
    }

    @Test(arguments: [
        "", "text", "'open", "uint64", "uint64 -1", "byte 256", "3000000000", "5 6", "[1, 'a']", "[1", "[]", "[1,]",
        "@", "@tt 5", "@v 5", "objectpath 'a'", "inf", "nan", "boolean 1", "[[1], ['a']]", #"'a\"#,
    ])
    func noValues(text: String) {
        #expect(VariantText.parse(text) == nil)
    }

    @Test func seconds() throws {
        let properties = try AnnotationProperties.properties([
            "org.systemd.property.TimeoutStopSec": "uint64 5", "org.systemd.property.RuntimeMaxSec": "1.5",
            "org.systemd.property.CPUQuotaPerSecUSec": "uint64 7", "org.systemd.property.Sec": "'x'",
            "org.systemd.property.CollectMode": "'inactive-or-failed'", "org.other": "text",
        ])
        #expect(
            properties == [
                UnitProperty("CPUQuotaPerSecUSec", .uint64(7)),
                UnitProperty("CollectMode", .string("inactive-or-failed")),
                UnitProperty("RuntimeMaxUSec", .uint64(1_500_000)), UnitProperty("Sec", .string("x")),
                UnitProperty("TimeoutStopUSec", .uint64(5_000_000)),
            ])
    }

    @Test(arguments: [
        ("Ab", "5"), ("With-Dash", "5"), ("", "5"), ("CollectMode", "text"), ("TimeoutStopSec", "'5'"),
        ("TimeoutStopSec", "-5"), ("TimeoutStopSec", "uint64 99999999999999999"), ("TimeoutStopSec", "-1.5"),
    ])
    func refusals(name: String, text: String) {
        let error = #expect(throws: SystemdError.self) {
            try AnnotationProperties.properties(["org.systemd.property." + name: text])
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains("annotations[org.systemd.property.\(name)]"))
    }
}
