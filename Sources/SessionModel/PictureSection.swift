import JSON
import Values

/// A part of pictures that changes by itself and that, but for the host's own, many hosts share.
public struct SectionName: Hashable, Sendable, Codable, Comparable, CodingKeyRepresentable {
    /// `host`, `peers`, `attachable`, `ingress`, or `network/` and a network's identifier.
    public let text: String

    public static let host = SectionName(text: "host")
    public static let peers = SectionName(text: "peers")
    public static let attachable = SectionName(text: "attachable")
    public static let ingress = SectionName(text: "ingress")

    public static func network(_ id: String) -> SectionName { SectionName(text: "network/" + id) }

    private init(text: String) { self.text = text }

    public init(from decoder: any Decoder) throws { text = try decoder.singleValueContainer().decode(String.self) }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    public var codingKey: any CodingKey { Key(stringValue: text) }
    public init?(codingKey: some CodingKey) { text = codingKey.stringValue }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    public static func < (first: SectionName, second: SectionName) -> Bool { first.text < second.text }
}

/// Names a section's content, the same on every host: the sum of its facts' hashes.
public struct SectionMark: Hashable, Sendable, Codable {
    private var first: UInt64
    private var last: UInt64

    /// A section without facts.
    public static let empty = SectionMark(first: 0, last: 0)

    private init(first: UInt64, last: UInt64) { (self.first, self.last) = (first, last) }

    init(_ key: String, _ fact: PictureFact) {
        // What is sent has been written before: encoding does not fail.
        let bytes = Array(key.utf8) + [0] + ((try? JSONCoding.encode(fact)) ?? [])
        (first, last) = SipHash.hash(bytes)
    }

    static func += (sum: inout SectionMark, mark: SectionMark) {
        sum.first &+= mark.first
        sum.last &+= mark.last
    }

    static func -= (sum: inout SectionMark, mark: SectionMark) {
        sum.first &-= mark.first
        sum.last &-= mark.last
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let words = try container.decode(String.self).split(separator: "-", omittingEmptySubsequences: false)
        guard words.count == 2, let first = UInt64(words[0], radix: 16), let last = UInt64(words[1], radix: 16) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "two hexadecimal numbers")
        }
        self.init(first: first, last: last)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(String(first, radix: 16) + "-" + String(last, radix: 16))
    }
}

/// How a section with one content becomes one with another.
public struct SectionChange: Hashable, Sendable, Codable {
    public var section: SectionName
    /// What the section held before; nil where it begins anew.
    public var from: SectionMark?
    public var to: SectionMark
    /// Facts that come or take the place of those with their keys.
    public var put: [String: PictureFact]
    public var drop: [String]

    public init(
        section: SectionName, from: SectionMark?, to: SectionMark, put: [String: PictureFact], drop: [String] = []
    ) {
        self.section = section
        self.from = from
        self.to = to
        self.put = put
        self.drop = drop
    }

    var count: Int { put.count + drop.count }
}

/// A change belongs to another content than the one that is there.
public struct SectionMismatch: Error, Hashable, CustomStringConvertible {
    public var section: SectionName

    public var description: String { "the picture's section \(section.text) is not the one that a change belongs to" }
}

/// Facts by their keys, in the keys' order.
public struct PictureSection: Sendable {
    public private(set) var facts: [(key: String, fact: PictureFact)] = []
    public private(set) var mark = SectionMark.empty

    public init() {}

    init(_ facts: [String: PictureFact]) {
        self.facts = facts.map { (key: $0, fact: $1) }.sorted { $0.key < $1.key }
        for (key, fact) in self.facts { mark += SectionMark(key, fact) }
    }

    subscript(_ key: String) -> PictureFact? {
        let place = place(of: key)
        return place < facts.count && facts[place].key == key ? facts[place].fact : nil
    }

    private func place(of key: String) -> Int {
        var (low, high) = (0, facts.count)
        while low < high {
            let middle = (low + high) / 2
            if facts[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    mutating func put(_ key: String, _ fact: PictureFact) {
        let place = place(of: key)
        if place < facts.count, facts[place].key == key {
            mark -= SectionMark(key, facts[place].fact)
            facts[place].fact = fact
        } else {
            facts.insert((key: key, fact: fact), at: place)
        }
        mark += SectionMark(key, fact)
    }

    mutating func drop(_ key: String) {
        let place = place(of: key)
        guard place < facts.count, facts[place].key == key else { return }
        mark -= SectionMark(key, facts.remove(at: place).fact)
    }

    /// Takes a change over.
    ///
    /// - Throws: where it belongs to another content, or does not lead to what it says: nothing is changed then.
    mutating func apply(_ change: SectionChange) throws(SectionMismatch) {
        var next = change.from == nil ? PictureSection() : self
        guard change.from ?? .empty == next.mark else { throw SectionMismatch(section: change.section) }
        if next.facts.isEmpty {
            next = PictureSection(change.put)
        } else {
            for key in change.drop { next.drop(key) }
            for (key, fact) in change.put { next.put(key, fact) }
        }
        guard next.mark == change.to else { throw SectionMismatch(section: change.section) }
        self = next
    }

    /// The whole content as changes of so many facts each at most; the first begins anew.
    func wholes(of section: SectionName, limit: Int) -> [SectionChange] {
        var changes: [SectionChange] = []
        var (from, to): (SectionMark?, SectionMark) = (nil, .empty)
        repeat {
            let begin = changes.count * limit
            var put: [String: PictureFact] = [:]
            for (key, fact) in facts[begin..<min(begin + limit, facts.count)] {
                put[key] = fact
                to += SectionMark(key, fact)
            }
            changes.append(SectionChange(section: section, from: from, to: to, put: put))
            from = to
        } while changes.count * limit < facts.count
        return changes
    }
}
