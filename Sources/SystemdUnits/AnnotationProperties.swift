/// Annotations `org.systemd.property.NAME` as properties of a container's unit, as runc has them.
public enum AnnotationProperties {
    private static let prefix = "org.systemd.property."

    /// The properties in the order of their names. The values are D-Bus's in GVariant's text; what is documented in
    /// seconds (`TimeoutStopSec`) becomes the property in microseconds that systemd has (`TimeoutStopUSec`).
    ///
    /// - Throws: ``SystemdError/invalidProperty(_:reason:)`` with the annotation.
    public static func properties(_ annotations: [String: String]) throws(SystemdError) -> [UnitProperty] {
        var properties: [UnitProperty] = []
        for (key, text) in annotations.sorted(by: { $0.key < $1.key }) where key.hasPrefix(prefix) {
            let member = "annotations[\(key)]"
            let name = key.dropFirst(prefix.count)
            guard name.utf8.count >= 3, name.allSatisfy({ $0.isASCII && $0.isLetter }) else {
                throw .invalidProperty(member, reason: "\"\(name)\" is no name of three letters or more")
            }
            guard let value = VariantText.parse(text) else {
                throw .invalidProperty(member, reason: "\"\(text)\" is no value such as true, 5, uint64 5 or 'text'")
            }
            if name.hasSuffix("Sec"), let before = name.dropLast(3).last, before.isLowercase {
                guard let time = microseconds(value) else {
                    throw .invalidProperty(member, reason: "\"\(text)\" is no number of seconds")
                }
                properties.append(UnitProperty(name.dropLast(3) + "USec", .uint64(time)))
            } else {
                properties.append(UnitProperty(String(name), value))
            }
        }
        return properties
    }

    private static func microseconds(_ value: DBusValue) -> UInt64? {
        let seconds: UInt64?
        switch value {
        case .byte(let number): seconds = UInt64(number)
        case .int16(let number): seconds = UInt64(exactly: number)
        case .uint16(let number): seconds = UInt64(number)
        case .int32(let number): seconds = UInt64(exactly: number)
        case .uint32(let number): seconds = UInt64(number)
        case .int64(let number): seconds = UInt64(exactly: number)
        case .uint64(let number): seconds = number
        case .double(let number): return UInt64(exactly: (number * 1e6).rounded())
        default: seconds = nil
        }
        guard let seconds, case (let time, false) = seconds.multipliedReportingOverflow(by: 1_000_000) else {
            return nil
        }
        return time
    }
}
