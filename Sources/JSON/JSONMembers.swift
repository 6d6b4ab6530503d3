/// A JSON object that is read member by member. A member that is missing or null is nil.
///
/// It is for types whose reading is on the way of something that has to be quick: a program that reads one text and
/// ends pays for every generic type that `Decodable` makes once, and that is most of the time. For the same reason what
/// is generic here is compiled where it is used.
public struct JSONMembers {
    public let members: [String: JSONValue]

    /// - Throws: where the value is no object.
    public init(_ value: JSONValue) throws(JSONError) {
        guard case .object(let members) = value else { throw value.mismatch("an object") }
        self.members = members
    }

    /// The value of a member without which the object is nothing.
    @inlinable public func needed<Value>(_ name: String, _ value: Value?) throws(JSONError) -> Value {
        if let value { return value }
        throw JSONError("missing \"\(name)\"")
    }

    public func text(_ name: String) throws(JSONError) -> String? {
        try read(name) { value throws(JSONError) in try value.readText() }
    }

    public func flag(_ name: String) throws(JSONError) -> Bool? {
        try read(name) { value throws(JSONError) in
            guard case .bool(let flag) = value else { throw value.mismatch("a boolean") }
            return flag
        }
    }

    @inlinable public func number<Number: FixedWidthInteger>(_ name: String) throws(JSONError) -> Number? {
        try read(name) { value throws(JSONError) in try value.readNumber() }
    }

    public func texts(_ name: String) throws(JSONError) -> [String]? {
        try list(name) { value throws(JSONError) in try value.readText() }
    }

    @inlinable public func numbers<Number: FixedWidthInteger>(_ name: String) throws(JSONError) -> [Number]? {
        try list(name) { value throws(JSONError) in try value.readNumber() }
    }

    /// One of the words of an enumeration.
    @inlinable public func word<Word: RawRepresentable<String>>(_ name: String) throws(JSONError) -> Word? {
        try read(name) { value throws(JSONError) in
            let text = try value.readText()
            guard let word = Word(rawValue: text) else {
                throw JSONError("\"\(text)\" is none of the values that there are")
            }
            return word
        }
    }

    @inlinable public func object<Value: JSONReadable>(_ name: String) throws(JSONError) -> Value? {
        try read(name) { value throws(JSONError) in try Value(JSONMembers(value)) }
    }

    @inlinable public func objects<Value: JSONReadable>(_ name: String) throws(JSONError) -> [Value]? {
        try list(name) { value throws(JSONError) in try Value(JSONMembers(value)) }
    }

    /// An object whose members' names are data.
    public func textsByName(_ name: String) throws(JSONError) -> [String: String]? {
        try dictionary(name) { value throws(JSONError) in try value.readText() }
    }

    @inlinable public func objectsByName<Value: JSONReadable>(_ name: String) throws(JSONError) -> [String: Value]? {
        try dictionary(name) { value throws(JSONError) in try Value(JSONMembers(value)) }
    }

    // MARK: Places

    @inlinable func read<Value>(
        _ name: String, _ body: (JSONValue) throws(JSONError) -> Value
    ) throws(JSONError) -> Value? {
        guard let value = members[name], !value.isAbsent else { return nil }
        return try Self.within(name) { () throws(JSONError) in try body(value) }
    }

    @inlinable static func within<Value>(
        _ place: String, _ body: () throws(JSONError) -> Value
    ) throws(JSONError) -> Value {
        do throws(JSONError) {
            return try body()
        } catch {
            throw error.within(place)
        }
    }

    @inlinable func list<Value>(
        _ name: String, _ body: (JSONValue) throws(JSONError) -> Value
    ) throws(JSONError) -> [Value]? {
        try read(name) { value throws(JSONError) in
            guard case .array(let elements) = value else { throw value.mismatch("an array") }
            var result: [Value] = []
            result.reserveCapacity(elements.count)
            for (index, element) in elements.enumerated() {
                do throws(JSONError) {
                    result.append(try body(element))
                } catch {
                    throw error.within("[\(index)]")
                }
            }
            return result
        }
    }

    @inlinable func dictionary<Value>(
        _ name: String, _ body: (JSONValue) throws(JSONError) -> Value
    ) throws(JSONError) -> [String: Value]? {
        try read(name) { value throws(JSONError) in
            var result: [String: Value] = [:]
            for (key, element) in try JSONMembers(value).members {
                result[key] = try Self.within(key) { () throws(JSONError) in try body(element) }
            }
            return result
        }
    }
}

/// A type that reads itself from an object's members. Names are members' as they are; what is missing or null is nil.
///
/// One that is a part of types that are `Decodable` is so too, with `init(from:)` as below; were this protocol to ask
/// for it, every type's witness table would be made when it is first used.
public protocol JSONReadable {
    init(_ members: JSONMembers) throws(JSONError)
}

extension JSONReadable {
    /// Reads a whole text.
    public init(parsing text: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
        try self.init(JSONMembers(JSONValue(parsing: text, limits: limits)))
    }
}

extension JSONReadable where Self: Decodable {
    public init(from decoder: any Decoder) throws {
        guard let decoder = decoder as? JSONTreeDecoder else { throw JSONError("it can be read from JSON alone") }
        do throws(JSONError) {
            try self.init(JSONMembers(decoder.value))
        } catch {
            throw error.within(JSONError.text(decoder.codingPath))
        }
    }
}

extension JSONError {
    /// The same error, seen from the object or array that holds what it is about.
    @usableFromInline func within(_ place: String) -> JSONError {
        if place.isEmpty { return self }
        let separator = path.isEmpty || path.hasPrefix("[") ? "" : "."
        return JSONError(reason, path: place + separator + path, offset: offset)
    }
}

extension JSONValue {
    @usableFromInline var isAbsent: Bool { if case .null = self { true } else { false } }

    @usableFromInline func readText() throws(JSONError) -> String {
        guard case .string(let text) = self else { throw mismatch("a string") }
        return text
    }

    @inlinable func readNumber<Number: FixedWidthInteger>() throws(JSONError) -> Number {
        let number: Number? =
            switch self {
            case .integer(let number): Number(exactly: number)
            case .unsigned(let number): Number(exactly: number)
            case .number(let number): Number(exactly: number)
            default: nil
            }
        if let number { return number }
        throw mismatch("an integer of \(Number.bitWidth) bits")
    }

    /// The error where something else was expected.
    @usableFromInline func mismatch(_ expected: String, path: String = "") -> JSONError {
        let found =
            switch self {
            case .null: "null"
            case .bool: "a boolean"
            case .integer, .unsigned, .number: "a number"
            case .string: "a string"
            case .array: "an array"
            case .object: "an object"
            }
        return JSONError("expected \(expected), found \(found)", path: path)
    }
}
