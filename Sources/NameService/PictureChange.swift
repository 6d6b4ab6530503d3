import NetworkModel

/// From one picture to the next.
struct PictureChange: Hashable, Sendable, Codable {
    /// The revision that this changes.
    var base: PlanRevision
    var revision: PlanRevision
    var sandboxes: [SandboxNames]
    var removedSandboxes: [String]
    var zones: [String: DNSZone]
    var removedZones: [String]

    /// What turns `old` into `new`.
    init(from old: DNSPicture, to new: DNSPicture) {
        base = old.revision
        revision = new.revision
        let before = Dictionary(old.sandboxes.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        let after = Set(new.sandboxes.map(\.id))
        sandboxes = new.sandboxes.filter { before[$0.id] != $0 }
        removedSandboxes = before.keys.filter { !after.contains($0) }.sorted()
        zones = new.zones.filter { old.zones[$0.key] != $0.value }
        removedZones = old.zones.keys.filter { new.zones[$0] == nil }.sorted()
    }

    /// The next picture; nil where this changes another one.
    func applied(to picture: DNSPicture) -> DNSPicture? {
        guard picture.revision == base else { return nil }
        var next = picture
        next.revision = revision
        let gone = Set(removedSandboxes + sandboxes.map(\.id))
        next.sandboxes.removeAll { gone.contains($0.id) }
        next.sandboxes += sandboxes
        next.zones.merge(zones) { $1 }
        for zone in removedZones { next.zones[zone] = nil }
        return next
    }
}
