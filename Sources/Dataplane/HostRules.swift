import Netlink
import NetworkModel
import Values

/// The packet filter of a host: what it holds in the data plane's own words, and the table that says so.
///
/// Rules are constant; everything that changes is an element of a set. Nothing is accepted that the host's own rules
/// refuse: an accept here ends this table only.
struct HostRules: Hashable, Sendable {
    static let tableName = "martlet"

    struct Bridge: Hashable, Sendable {
        var isInternal: Bool
        var masquerades: Bool
    }

    struct Publication: Hashable, Sendable {
        var owner: String
        var address: IPAddress
        var port: UInt16
    }

    struct PublicationKey: Hashable, Sendable {
        var address: IPAddress?
        var transport: PortTransport
        var port: UInt16
    }

    /// By link.
    var bridges: [String: Bridge] = [:]
    var publications: [PublicationKey: Publication] = [:]
    /// The sets of the ingress, and the chains they name.
    var ingress = IngressRules()

    init() {}

    /// What the kernel's table says.
    init(_ table: FilterTable?) {
        guard let table else { return }
        func names(_ set: String) -> Set<String> { Set((table.sets[set]?.elements ?? [:]).keys.map(FilterKeys.name)) }
        let isInternal = names("internal")
        let masquerades = names("masquerading")
        for name in names("bridges") {
            bridges[name] = Bridge(isInternal: isInternal.contains(name), masquerades: masquerades.contains(name))
        }
        for (key, element) in table.sets["published"]?.elements ?? [:] { add(nil, key[...], element) }
        for (key, element) in table.sets["published-at"]?.elements ?? [:] {
            add(IPAddress(bytes: key.prefix(4)), key.dropFirst(4), element)
        }
        ingress = IngressRules(table)
    }

    private mutating func add(_ address: IPAddress?, _ key: ArraySlice<UInt8>, _ element: FilterSet.Element) {
        guard key.count == 8, case .bytes(let value) = element.value, value.count == 8,
            let target = IPAddress(bytes: value.prefix(4)),
            let transport = PortTransport.allCases.first(where: { $0.number == key.first })
        else { return }
        let port = FilterKeys.portNumber(key.dropFirst(4))
        publications[PublicationKey(address: address, transport: transport, port: port)] = Publication(
            owner: element.comment ?? "", address: target, port: FilterKeys.portNumber(value.dropFirst(4)))
    }

    /// The kernel's table for all this.
    var table: FilterTable {
        var sets = Self.emptySets
        for (name, bridge) in bridges {
            let key = FilterKeys.interface(name)
            sets["bridges"]!.elements[key] = .init()
            sets["pairs"]!.elements[key + key] = .init()
            if bridge.isInternal { sets["internal"]!.elements[key] = .init() }
            if bridge.masquerades { sets["masquerading"]!.elements[key] = .init() }
        }
        for (key, publication) in publications {
            let port = FilterKeys.port(key.transport, key.port)
            let target = publication.address.bytes + FilterKeys.port(publication.port)
            let element = FilterSet.Element(.bytes(target), comment: publication.owner)
            if let address = key.address {
                sets["published-at"]!.elements[address.bytes + port] = element
            } else {
                sets["published"]!.elements[port] = element
            }
        }
        for (name, elements) in ingress.elements { sets[name]!.elements = elements }
        var chains = Self.chains
        for count in ingress.backendCounts {
            chains[Steps.chooser(count)] = FilterChain(rules: [
                FilterRule(
                    "dnat to meta l4proto . th dport . numgen random mod \(count) map @backends",
                    Steps.transportAndPort() + [
                        .random(below: count, 2), .look(up: "backends", into: 0),
                        .translate(destination: true, address: 0, port: 1),
                    ])
            ])
        }
        return FilterTable(family: .v4, name: Self.tableName, sets: sets, chains: chains)
    }

    private static var emptySets: [String: FilterSet] {
        let ports = FilterKeys.concatenated(FilterKeys.transport, FilterKeys.port)
        let target = FilterSet.Content.values(
            type: FilterKeys.concatenated(FilterKeys.address, FilterKeys.port), length: 8)
        let links = FilterSet(keyType: FilterKeys.interface, keyLength: 16)
        return [
            "bridges": links,
            "masquerading": links,
            "internal": links,
            "pairs": FilterSet(
                keyType: FilterKeys.concatenated(FilterKeys.interface, FilterKeys.interface), keyLength: 32),
            "published": FilterSet(keyType: ports, keyLength: 8, content: target),
            "published-at": FilterSet(
                keyType: FilterKeys.concatenated(FilterKeys.address, FilterKeys.transport, FilterKeys.port),
                keyLength: 12, content: target),
            "ingress": FilterSet(keyType: ports, keyLength: 8, content: .verdicts),
            "backends": FilterSet(
                keyType: FilterKeys.concatenated(FilterKeys.transport, FilterKeys.port, FilterKeys.mark),
                keyLength: 12, content: target),
            "targets": FilterSet(keyType: ports, keyLength: 8),
            "loops": FilterSet(
                keyType: FilterKeys.concatenated(FilterKeys.address, FilterKeys.address), keyLength: 8),
            "underlay": FilterSet(keyType: FilterKeys.address, keyLength: 4),
            "gateways": FilterSet(
                keyType: FilterKeys.interface, keyLength: 16, content: .values(type: FilterKeys.address, length: 4)),
            "marks": FilterSet(
                keyType: FilterKeys.linkAddress, keyLength: 6, content: .values(type: FilterKeys.mark, length: 4)),
            "zones": FilterSet(
                keyType: FilterKeys.linkAddress, keyLength: 6, content: .values(type: FilterKeys.port, length: 2)),
        ]
    }
}
