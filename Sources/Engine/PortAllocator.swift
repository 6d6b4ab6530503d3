import EngineModel
import Values

/// Which ports of the host are published, and the next free ones.
struct PortAllocator {
    /// What a published port takes: an address (nil for every one), a port and a protocol.
    struct Binding: Hashable {
        var address: IPAddress?
        var port: UInt16
        var transport: String
    }

    /// Where ports without a wish come from (RFC 6335 section 6: the dynamic range).
    static let ephemeral: ClosedRange<UInt16> = 32768...60999

    private var taken: [Binding: String] = [:]
    private var next = ephemeral.lowerBound

    private func owner(of binding: Binding) -> String? {
        if let owner = taken[binding] { return owner }
        return taken.first { taken, _ in
            taken.port == binding.port && taken.transport == binding.transport
                && (taken.address == nil || binding.address == nil)
        }?.value
    }

    /// Takes `port`, or a free one where it is nil, for `container`.
    mutating func take(
        _ port: ClosedRange<UInt16>?, address: IPAddress?, transport: String, for container: String, endpoint: String
    ) throws(EngineError) -> Binding {
        if let port {
            for candidate in port {
                let binding = Binding(address: address, port: candidate, transport: transport)
                guard owner(of: binding) == nil else { continue }
                taken[binding] = container
                return binding
            }
            throw Self.refusal(address, port.lowerBound, endpoint: endpoint)
        }
        for _ in Self.ephemeral {
            let binding = Binding(address: address, port: next, transport: transport)
            next = next == Self.ephemeral.upperBound ? Self.ephemeral.lowerBound : next + 1
            if owner(of: binding) == nil {
                taken[binding] = container
                return binding
            }
        }
        throw EngineError(.internalError, "all ports of the host's dynamic range are allocated")
    }

    /// Takes what a container that still runs has.
    mutating func adopt(_ binding: Binding, for container: String) { taken[binding] = container }

    /// Docker's words for a port that somebody has.
    static func refusal(_ address: IPAddress?, _ port: UInt16, endpoint: String) -> EngineError {
        EngineError(
            .internalError,
            "driver failed programming external connectivity on endpoint \(endpoint): "
                + "Bind for \(address?.description ?? "0.0.0.0"):\(port) failed: port is already allocated")
    }

    mutating func release(container: String) {
        taken = taken.filter { $0.value != container }
    }
}
