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
        guard let text = try? JSONCoding.encode(fact) else { preconditionFailure("\(key) cannot be written") }
        (first, last) = SipHash.hash(Array(key.utf8) + [0] + text)
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

    /// Two hexadecimal numbers.
    public var text: String { String(first, radix: 16) + "-" + String(last, radix: 16) }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
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

    /// A change of these facts.
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
struct PictureSection: Sendable {
    struct Entry: Sendable {
        /// Keys that are equal may differ in their bytes, which are part of the mark.
        let key: String
        let fact: PictureFact
        let mark: SectionMark

        init(_ key: String, _ fact: PictureFact) {
            (self.key, self.fact) = (key, fact)
            mark = SectionMark(key, fact)
        }
    }

    private(set) var entries: [Entry] = []
    private(set) var mark = SectionMark.empty
    /// So many changes are made one by one; more by going through everything once.
    private static let fewChanges = 8

    init() {}

    init(_ facts: [String: PictureFact]) { change(put: facts, drop: []) }

    mutating func change(put: [String: PictureFact], drop: [String]) {
        guard put.count + drop.count > Self.fewChanges else {
            for key in drop { remove(key) }
            for (key, fact) in put { insert(Entry(key, fact)) }
            return
        }
        let news = put.map { Entry($0, $1) }.sorted { $0.key < $1.key }
        let gone = Set(drop)
        var merged: [Entry] = []
        merged.reserveCapacity(entries.count + news.count)
        var next = news[...]
        func take() {
            mark += next[next.startIndex].mark
            merged.append(next.removeFirst())
        }
        for entry in entries {
            while let first = next.first, first.key < entry.key { take() }
            if next.first?.key == entry.key || gone.contains(entry.key) {
                mark -= entry.mark
            } else {
                merged.append(entry)
            }
        }
        while !next.isEmpty { take() }
        entries = merged
    }

    private func place(of key: String) -> Int {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func insert(_ entry: Entry) {
        let place = place(of: entry.key)
        if place < entries.count, entries[place].key == entry.key {
            mark -= entries[place].mark
            entries[place] = entry
        } else {
            entries.insert(entry, at: place)
        }
        mark += entry.mark
    }

    private mutating func remove(_ key: String) {
        let place = place(of: key)
        guard place < entries.count, entries[place].key == key else { return }
        mark -= entries.remove(at: place).mark
    }

    /// Takes a change over.
    ///
    /// - Throws: where it belongs to another content, or does not lead to what it says: nothing is of use then.
    mutating func apply(_ change: SectionChange) throws(SectionMismatch) {
        if change.from == nil { self = PictureSection() }
        guard change.from ?? .empty == mark else { throw SectionMismatch(section: change.section) }
        self.change(put: change.put, drop: change.drop)
        guard mark == change.to else { throw SectionMismatch(section: change.section) }
    }

    /// The whole content as changes of so many facts each at most; the first begins anew.
    func wholes(of section: SectionName, limit: Int) -> [SectionChange] {
        var changes: [SectionChange] = []
        var (from, to): (SectionMark?, SectionMark) = (nil, .empty)
        repeat {
            let begin = changes.count * limit
            var put: [String: PictureFact] = [:]
            for entry in entries[begin..<min(begin + limit, entries.count)] {
                put[entry.key] = entry.fact
                to += entry.mark
            }
            changes.append(SectionChange(section: section, from: from, to: to, put: put))
            from = to
        } while changes.count * limit < entries.count
        return changes
    }
}
