import RuntimeSpec

extension GroupPlan {
    static let blockWeights: ClosedRange<UInt16> = 10...1000

    /// v2's weight for v1's, 1...10000 for 10...1000.
    public static func weight(blockIO weight: UInt16) -> Int { 1 + (Int(weight) - 10) * 9999 / 990 }

    mutating func addBlockIO(_ block: LinuxResources.BlockIO) throws(ResourceError) {
        try addWeight(block.weight, device: nil, "blockIO.weight")
        try addLeafWeight(block.leafWeight, device: nil, "blockIO.leafWeight")
        for (index, device) in (block.weightDevice ?? []).enumerated() {
            let path = "blockIO.weightDevice[\(index)]"
            let name = "\(device.major):\(device.minor)"
            try addWeight(device.weight, device: name, path + ".weight")
            try addLeafWeight(device.leafWeight, device: name, path + ".leafWeight")
        }
        let throttles = [
            ("throttleReadBpsDevice", block.throttleReadBpsDevice, "read_bps", "rbps"),
            ("throttleWriteBpsDevice", block.throttleWriteBpsDevice, "write_bps", "wbps"),
            ("throttleReadIOPSDevice", block.throttleReadIOPSDevice, "read_iops", "riops"),
            ("throttleWriteIOPSDevice", block.throttleWriteIOPSDevice, "write_iops", "wiops"),
        ]
        for (member, devices, file, key) in throttles {
            for (index, device) in (devices ?? []).enumerated() {
                let member = "blockIO.\(member)[\(index)]"
                let name = "\(device.major):\(device.minor)"
                let home = try home("blkio", unified: "io", member)
                if home == .unified {
                    // Zero takes v1's limit away; v2 says max.
                    add(home, "io.max", "\(name) \(key)=\(device.rate == 0 ? "max" : "\(device.rate)")", member)
                } else {
                    add(home, "blkio.throttle.\(file)_device", "\(name) \(device.rate)", member)
                }
            }
        }
    }

    /// BFQ's files where the kernel has them, with v1's numbers in v2 too.
    private mutating func addWeight(_ weight: UInt16?, device: String?, _ member: String) throws(ResourceError) {
        guard let weight, weight != 0 else { return }
        let home = try home("blkio", unified: "io", member)
        try check(Self.blockWeights.contains(weight), member, "\(weight) is not of 10 to 1000")
        let prefix = device.map { $0 + " " } ?? ""
        let text = prefix + "\(weight)"
        if home == .unified {
            let other = prefix + "\(Self.weight(blockIO: weight))"
            add(home, "io.bfq.weight", text, absence: .replaced(file: "io.weight", text: other), member)
        } else {
            let name = device == nil ? "weight" : "weight_device"
            add(home, "blkio.\(name)", text, absence: .replaced(file: "blkio.bfq.\(name)", text: text), member)
        }
    }

    private mutating func addLeafWeight(_ weight: UInt16?, device: String?, _ member: String) throws(ResourceError) {
        guard let weight, weight != 0 else { return }
        let home = try legacyHome("blkio", unified: "io", member)
        if let device {
            add(home, "blkio.leaf_weight_device", "\(device) \(weight)", member)
        } else {
            add(home, "blkio.leaf_weight", "\(weight)", member)
        }
    }
}
