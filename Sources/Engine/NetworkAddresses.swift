import EngineModel
import NetworkModel
import Values

/// The addresses of one bridge network: those given out by themselves, from a part of the subnet where the network
/// names one, and those that clients chose elsewhere in it.
struct NetworkAddresses {
    private var allocator: AddressAllocator
    private var outside: Set<IPAddress> = []
    let subnet: CIDR

    init(subnet: CIDR, gateway: IPAddress, range: CIDR?) {
        self.subnet = subnet
        allocator = AddressAllocator(subnet: range ?? subnet, reserved: [gateway])
        outside = [gateway]
    }

    mutating func allocate(network: String) throws(EngineError) -> IPAddress {
        guard let address = allocator.allocate() else {
            throw EngineError(.internalError, "no available IPv4 addresses on this network's address pools: \(network)")
        }
        return address
    }

    mutating func take(_ address: IPAddress) throws(EngineError) {
        guard subnet.contains(address) else {
            throw EngineError(
                .invalidParameter, "invalid address \(address): It does not belong to any of this network's subnets")
        }
        let isFree: Bool
        if allocator.subnet.contains(address) {
            isFree = allocator.take(address)
        } else {
            isFree = outside.insert(address).inserted
        }
        guard isFree else { throw EngineError(.forbidden, "Address already in use") }
    }

    mutating func release(_ address: IPAddress) {
        if allocator.subnet.contains(address) { allocator.release(address) } else { outside.remove(address) }
    }
}
