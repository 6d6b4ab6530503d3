import Values

/// A step that leads from what the kernel holds to the wanted table.
public enum FilterChange: Hashable, Sendable {
    /// The kernel's table is of another make: it goes, in the transaction that brings the new one.
    case removeTable
    case addTable
    case addSet(String)
    case addChain(String)
    case removeElement(set: String, key: [UInt8])
    case addElement(set: String, key: [UInt8], FilterSet.Element)
    /// All rules of the chain are written anew.
    case replaceRules(String)
    case removeChain(String)
    case removeSet(String)
}

extension FilterTable {
    /// The steps that lead from `actual` (nil: there is no such table) to this table, in an order that the kernel takes
    /// as one transaction.
    public func changes(from actual: FilterTable?) -> [FilterChange] {
        guard let actual, isCompatible(with: actual) else {
            let fresh = additions(to: FilterTable(family: family, name: name))
            return (actual == nil ? [.addTable] : [.removeTable, .addTable]) + fresh
        }
        return additions(to: actual)
            + actual.chains.keys.filter { chains[$0] == nil }.sorted().map { .removeChain($0) }
            + actual.sets.keys.filter { sets[$0] == nil }.sorted().map { .removeSet($0) }
    }

    private func additions(to old: FilterTable) -> [FilterChange] {
        var changes: [FilterChange] = sets.keys.filter { old.sets[$0] == nil }.sorted().map { .addSet($0) }
        changes += chains.keys.filter { old.chains[$0] == nil }.sorted().map { .addChain($0) }
        for name in sets.keys.sorted() {
            let before = old.sets[name]?.elements ?? [:]
            let after = sets[name]!.elements
            for key in before.keys.sorted(by: Self.precedes) where after[key] != before[key] {
                changes.append(.removeElement(set: name, key: key))
            }
            for key in after.keys.sorted(by: Self.precedes) where after[key] != before[key] {
                changes.append(.addElement(set: name, key: key, after[key]!))
            }
        }
        for name in chains.keys.sorted()
        where old.chains[name]?.rules.map(\.tag) ?? [] != chains[name]!.rules.map(\.tag) {
            changes.append(.replaceRules(name))
        }
        return changes
    }

    /// Sets of one name have one shape, and chains of one name hang in one place.
    private func isCompatible(with other: FilterTable) -> Bool {
        sets.allSatisfy { name, set in
            guard let there = other.sets[name] else { return true }
            return there.keyLength == set.keyLength && there.content == set.content
        } && chains.allSatisfy { name, chain in other.chains[name].map { $0.hook == chain.hook } ?? true }
    }

    private static func precedes(_ left: [UInt8], _ right: [UInt8]) -> Bool { left.lexicographicallyPrecedes(right) }

    /// A step as a person would write it.
    public func describe(_ change: FilterChange) -> String {
        switch change {
        case .removeTable, .addTable: "table \(name)"
        case .addSet(let set), .removeSet(let set): "set \(name) \(set)"
        case .addChain(let chain), .removeChain(let chain): "chain \(name) \(chain)"
        case .replaceRules(let chain): "rules of chain \(name) \(chain)"
        case .addElement(let set, let key, let element): "element \(name) \(set) \(Self.describe(key, element))"
        case .removeElement(let set, let key): "element \(name) \(set) \(Self.describe(key, nil))"
        }
    }

    private static func describe(_ key: [UInt8], _ element: FilterSet.Element?) -> String {
        var text = Hex.encode(key)
        switch element?.value {
        case .bytes(let bytes): text += " : " + Hex.encode(bytes)
        case .verdict(let verdict): text += " : \(verdict)"
        case .some(.none), nil: break
        }
        return text
    }
}
