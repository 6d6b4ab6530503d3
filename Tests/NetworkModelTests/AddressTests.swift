import NetworkModel
import Testing
import Values

@Suite struct AddressTests {
    @Test func addressesComeLowestFirstAndBackOldestFirst() {
        var allocator = AddressAllocator(subnet: CIDR("10.0.1.0/29")!, reserved: [IPAddress("10.0.1.1")!])
        var given: [IPAddress] = []
        while let address = allocator.allocate() { given.append(address) }
        #expect(given.map(\.description) == (2...6).map { "10.0.1.\($0)" }, "neither network nor broadcast")
        allocator.release(given[3])
        allocator.release(given[0])
        #expect(allocator.allocate() == given[3])
        #expect(allocator.allocate() == given[0])
        #expect(allocator.allocate() == nil)
    }

    @Test func returnedAddressesWaitForTheRest() {
        var allocator = AddressAllocator(subnet: CIDR("10.0.1.0/29")!)
        let first = allocator.allocate()!
        allocator.release(first)
        #expect(allocator.allocate() == IPAddress("10.0.1.2"), "one that was never given out comes before it")
    }

    @Test func addressesByName() {
        var allocator = AddressAllocator(subnet: CIDR("10.0.1.0/24")!)
        let wishes = ["10.0.1.1", "10.0.1.1", "10.0.1.0", "10.0.1.255", "10.0.2.1", "::1"]
        let taken = wishes.map { allocator.take(IPAddress($0)!) }
        #expect(taken == [true, false, false, false, false, false])
        #expect(allocator.allocate() == IPAddress("10.0.1.2"))
    }

    @Test func cursorGoesAround() {
        let subnet = CIDR("10.0.1.0/29")!
        func next(_ cursor: String?, _ used: [String]) -> String? {
            AddressAllocator.firstFree(
                in: subnet, after: cursor.map { IPAddress($0)! }, used: Set(used.map { IPAddress($0)! }))?.description
        }
        #expect(next(nil, []) == "10.0.1.1")
        #expect(next("10.0.1.3", []) == "10.0.1.4")
        #expect(next("10.0.1.6", ["10.0.1.1"]) == "10.0.1.2")
        #expect(next("10.0.1.3", (1...6).map { "10.0.1.\($0)" }) == nil)
        #expect(next("10.0.1.3", [1, 2, 4, 5, 6].map { "10.0.1.\($0)" }) == "10.0.1.3")
    }

    @Test func subnetsKeepClearOfOthers() {
        let pool = OverlayDefaults.pool
        #expect(pool.firstFree(avoiding: []) == CIDR("10.0.0.0/24"))
        #expect(pool.firstFree(avoiding: [CIDR("10.0.0.0/24")!, CIDR("10.0.1.128/25")!]) == CIDR("10.0.2.0/24"))
        #expect(pool.firstFree(avoiding: [CIDR("10.0.0.0/9")!, CIDR("192.168.0.0/16")!]) == CIDR("10.128.0.0/24"))
        #expect(pool.firstFree(avoiding: [CIDR("10.0.0.0/8")!]) == nil)
        #expect(BridgeDefaults.pools.firstFree(avoiding: [BridgeDefaults.subnet]) == CIDR("172.18.0.0/16"))
        let all = (18...31).map { CIDR("172.\($0).0.0/16")! }
        #expect(BridgeDefaults.pools.firstFree(avoiding: all) == CIDR("192.168.0.0/20"))
    }

    @Test("Free subnets are those that no other one overlaps, whatever the order", arguments: 0..<50 as Range<UInt64>)
    func freeSubnets(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        let pool = SubnetPool(base: CIDR("10.8.0.0/21")!, prefixLength: 24)
        let used = (0..<Int.random(in: 0...6, using: &generator)).map { _ in
            let address = IPAddress(v4: 0x0a08_0000 &+ .random(in: 0...0xfff, using: &generator) &- 0x400)
            return CIDR(address, prefixLength: .random(in: 22...32, using: &generator))
        }
        var free = pool.free(avoiding: used)
        var found: [CIDR] = []
        while let subnet = free.next() { found.append(subnet) }
        let all = (0..<8).map { CIDR("10.8.\($0).0/24")! }
        #expect(found == all.filter { subnet in !used.contains { $0.overlaps(subnet) } })
    }

    @Test("Subnets of IPv6, of the first and of the last address")
    func freeSubnetsV6() {
        let pool = SubnetPool(base: CIDR("fd00::/62")!, prefixLength: 64)
        #expect(pool.firstFree(avoiding: [CIDR("fd00::/64")!, CIDR("fd00:0:0:1::5/128")!]) == CIDR("fd00:0:0:2::/64"))
        let last = SubnetPool(base: CIDR("255.255.255.0/24")!, prefixLength: 25)
        #expect(last.firstFree(avoiding: [CIDR("255.255.255.0/25")!]) == CIDR("255.255.255.128/25"))
        #expect(last.firstFree(avoiding: [CIDR("0.0.0.0/0")!]) == nil)
    }

    @Test func hostsHaveNumbersInThePool() {
        let blocks = [0, 1, 4095].map { CIDR(OverlayDefaults.gatewayPool.host(UInt64($0) << 10), prefixLength: 22) }
        let hosts = blocks.map { IngressHost(nodeID: "n", underlay: IPAddress("192.0.2.1")!, block: $0) }
        #expect(hosts.map { $0.number(in: OverlayDefaults.gatewayPool) } == [1, 2, 4096])
        #expect(hosts[1].gateway == IPAddress("10.192.4.1"))
        #expect(hosts[1].mac == MACAddress("02:4d:0a:c0:04:01"))
        #expect(OverlayDefaults.gatewayBlocks.firstFree(avoiding: [blocks[0]]) == blocks[1])
    }
}
