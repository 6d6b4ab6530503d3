import Glibc
import RuntimeSpec

extension GroupPlan {
    /// Pages in use and, where the kernel counts them, those set aside by mmap(2).
    mutating func addHugepages(_ limits: [LinuxResources.HugepageLimit]) throws(ResourceError) {
        for (index, limit) in limits.enumerated() {
            let member = "hugepageLimits[\(index)]"
            let size = limit.pageSize
            // It becomes part of a file's name.
            try check(Self.isPageSize(size), member + ".pageSize", "\"\(size)\" is no size such as 2MB")
            let home = try home("hugetlb", member)
            let suffix = home == .unified ? ".max" : ".limit_in_bytes"
            add(home, "hugetlb.\(size)\(suffix)", "\(limit.limit)", member)
            add(home, "hugetlb.\(size).rsvd\(suffix)", "\(limit.limit)", absence: .isSkipped, member)
        }
    }

    private static func isPageSize(_ text: String) -> Bool {
        guard text.utf8.count < 16, ["KB", "MB", "GB"].contains(where: text.hasSuffix) else { return false }
        let digits = text.utf8.dropLast(2)
        return digits.first != UInt8(ascii: "0") && !digits.isEmpty
            && digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    mutating func addNetwork(_ network: LinuxResources.Network) throws(ResourceError) {
        if let id = network.classID, id != 0 {
            add(try legacyHome("net_cls", "network.classID"), "net_cls.classid", "\(id)", "network.classID")
        }
        for (index, priority) in (network.priorities ?? []).enumerated() {
            let member = "network.priorities[\(index)]"
            let home = try legacyHome("net_prio", member)
            add(home, "net_prio.ifpriomap", "\(priority.name) \(priority.priority)", member)
        }
    }

    mutating func addRDMA(_ devices: [String: LinuxResources.RDMA]) throws(ResourceError) {
        for (name, limits) in devices.sorted(by: { $0.key < $1.key }) {
            var words = [name]
            if let handles = limits.hcaHandles { words.append("hca_handle=\(handles)") }
            if let objects = limits.hcaObjects { words.append("hca_object=\(objects)") }
            guard words.count > 1 else { continue }
            let member = "rdma[\"\(name)\"]"
            add(try home("rdma", member), "rdma.max", words.joined(separator: " "), member)
        }
    }

    /// v2's own files by name, a write for each line.
    mutating func addUnified(_ files: [String: String]) throws(ResourceError) {
        for (file, text) in files.sorted(by: { $0.key < $1.key }) {
            let member = "unified[\"\(file)\"]"
            guard let controllers = layout.unified else {
                throw ResourceError(member, "cgroup v2 is not mounted", errno: ENOTSUP)
            }
            let isName = !file.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
            try check(isName, member, "is no file name: it has a slash")
            let words = file.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
            try check(
                words.count == 2 && words.allSatisfy { !$0.isEmpty }, member, "has not the form CONTROLLER.PARAMETER")
            let controller = String(words[0])
            guard controller == "cgroup" || controllers.contains(controller) else {
                throw ResourceError(
                    member, "no cgroup v2 controller \(controller) for this group", errno: ENOTSUP)
            }
            for line in text.split(separator: "\n") { add(.unified, file, String(line), member) }
        }
    }
}
