import Netlink
import NetworkModel
import Values

/// The packet filter in a client's own namespace: virtual addresses become one of their backends'.
///
/// Connection tracking runs where this table is, so that a sandbox knows who is connected to it.
enum SandboxRules {
    static let tableName = "martlet"

    static func table(_ services: [VirtualService]) -> FilterTable {
        var addresses = FilterSet(keyType: FilterKeys.address, keyLength: 4, content: .verdicts)
        var backends = FilterSet(
            keyType: FilterKeys.concatenated(FilterKeys.address, FilterKeys.mark), keyLength: 8,
            content: .values(type: FilterKeys.address, length: 4))
        var refused = FilterSet(keyType: FilterKeys.address, keyLength: 4)
        var chains = [
            Steps.refusalName: Steps.refusal,
            // Refusals do not come through from a chain that translates.
            "filter-out": FilterChain(
                hook: .init(type: "filter", number: FilterChain.Hook.output, priority: 0),
                rules: [
                    FilterRule(
                        "ip daddr @refused goto refuse",
                        [
                            Steps.address(Steps.destinationAddress), .look(up: "refused"),
                            .verdict(.goto(Steps.refusalName)),
                        ])
                ]),
            "out": FilterChain(
                hook: .init(type: "nat", number: FilterChain.Hook.output, priority: -100),
                rules: [
                    FilterRule(
                        "ip daddr vmap @addresses",
                        [Steps.address(Steps.destinationAddress), .follow("addresses")])
                ]),
        ]
        for service in services where service.address.isV4 {
            let serving = service.backends.filter(\.isV4).sorted()
            guard !serving.isEmpty else {
                refused.elements[service.address.bytes] = .init(comment: service.name)
                continue
            }
            let chain = Steps.chooser(serving.count)
            addresses.elements[service.address.bytes] = .init(.verdict(.goto(chain)), comment: service.name)
            for (index, backend) in serving.enumerated() {
                backends.elements[service.address.bytes + FilterKeys.number(index)] = .init(.bytes(backend.bytes))
            }
            chains[chain] = chooser(serving.count)
        }
        return FilterTable(
            family: .v4, name: tableName,
            sets: ["addresses": addresses, "backends": backends, "refused": refused], chains: chains)
    }

    private static func chooser(_ count: Int) -> FilterChain {
        FilterChain(rules: [
            FilterRule(
                "dnat to ip daddr . numgen random mod \(count) map @backends",
                [
                    Steps.address(Steps.destinationAddress), .random(below: count, 1), .look(up: "backends", into: 0),
                    .translate(destination: true, address: 0),
                ])
        ])
    }
}
