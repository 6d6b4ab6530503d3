import ClusterModel

/// One run: everything that happens in it follows from this.
public struct Scenario: Hashable, Sendable {
    public var seed: UInt64
    /// Voters at the beginning.
    public var members = 5
    public var clients = 4
    /// Lists that clients append to and read.
    public var keys = 3
    /// The most that one message between members holds, in bytes. 70 is one command: then entries of an earlier term
    /// arrive before those of the leader's own.
    public var messageBytes = 1 << 20
    /// Whether messages are written and read as on the wire, which takes the simulator most of its time.
    public var isEncoded: Bool
    /// How long leaders answer reads by themselves; 0 for never.
    public var leaseMilliseconds: UInt64 = 250
    /// Whether messages of one host to another arrive in the order in which they were sent, as over one connection.
    public var isOrdered = true
    /// Whether the last of the members is a witness.
    public var hasWitness = false
    /// Whether some members had better lead than others.
    public var hasPriorities = false
    /// Whether there are services, and hosts that run their tasks.
    public var hasServices = false
    /// Whether managers begin with a program that knows nothing but the first version of clusters, and get a newer one
    /// one by one. Only where there are services.
    public var hasUpgrades = false
    /// Hosts that run tasks.
    public var nodes = 4
    /// After how many entries a host trims its log; nil for when a fault says so.
    public var entriesPerTrim: UInt64?
    /// The most bytes of a snapshot that one message holds; a whole one has up to 400.
    public var pieceBytes: UInt64 = 1 << 10
    /// Entries that a witness keeps.
    public var tailEntries: UInt64 = 400
    /// Whether one of the members is lost for good when everything else is mended.
    public var losesOne = false
    /// Who says which managers vote; nil for an administrator, who lets members come and go by chance.
    public var policy: ManagerPolicy?
    /// How long faults happen; after it everything is mended.
    public var duration: Milliseconds
    /// In the order of time.
    public var faults: [Fault]

    /// Faults by chance. Each seed has a mood of its own, so that some runs are calm and some are not.
    public init(seed: UInt64, members: Int = 5, duration: Milliseconds = 600_000) {
        self.seed = seed
        let isPair = Self.isPair(seed: seed, members: members)
        let members = isPair ? 3 : members
        self.members = members
        self.duration = duration
        isEncoded = seed % 8 == 0
        var random = Randomness(seed: seed &+ 0x5eed)
        if random.chance(perMille: 500) { leaseMilliseconds = 0 }
        isOrdered = random.chance(perMille: 700)
        messageBytes = [1 << 20, 70, 500][Int(random.next() % 3)]
        let pause = [1_500, 4_000, 10_000][Int(random.next() % 3)]
        let isQuiet = random.chance(perMille: 150)
        let isContested = random.chance(perMille: 250)
        hasWitness = members > 2 && random.chance(perMille: 250)
        hasPriorities = random.chance(perMille: 300)
        entriesPerTrim = random.chance(perMille: 500) ? [10, 40, 200][Int(random.next() % 3)] : nil
        if random.chance(perMille: 500) { clients = 8 }
        hasServices = random.chance(perMille: 200)
        faults = []
        if random.chance(perMille: 200) { faults.append(Fault(time: 1_000, kind: .storm(duration: duration))) }
        var time: Milliseconds = 2_000
        while !isQuiet {
            time += Milliseconds(random.number(in: 1...2 * pause))
            if time >= duration { break }
            let kind =
                isContested && random.chance(perMille: 600)
                ? .contest(duration: Milliseconds(random.number(in: 100...8_000)))
                : Self.kind(using: &random, members: members)
            faults.append(Fault(time: time, kind: kind))
            if hasServices, random.chance(perMille: 400) {
                let node = random.number(in: 0..<nodes)
                let length = Milliseconds(random.number(in: 100...12_000))
                faults.append(
                    Fault(
                        time: time,
                        kind: random.chance(perMille: 500)
                            ? .isolateNode(node: node, duration: length)
                            : .crashNode(node: node, downtime: length, losesPower: random.chance(perMille: 500))))
            }
            guard case .contest = kind else { continue }
            // Leaders that do not last, one after the other, with messages that take their time: logs part.
            faults.append(Fault(time: time, kind: .delay(Milliseconds(random.number(in: 5...300)), duration: 10_000)))
            for _ in 0..<random.number(in: 0...6) {
                time += Milliseconds(random.number(in: 700...2_500))
                if time >= duration { break }
                let length = Milliseconds(random.number(in: 500...5_000))
                let isAmbush = random.chance(perMille: 500)
                let delay = Milliseconds(random.number(in: 1...(random.chance(perMille: 500) ? 80 : 900)))
                let next: Fault.Kind =
                    isAmbush ? .ambush(delay: delay, duration: length) : .contest(duration: length)
                faults.append(Fault(time: time, kind: next))
            }
        }
        if isPair { becomePair() }
        if Self.hasPolicy(seed: seed, members: members) { adoptPolicy() }
        pieceBytes = [16, 64, 1 << 10][Int(seed / 2 % 3)]
        add(Self.sendStrikes(seed: seed, duration: duration))
        add(Self.fullDisks(seed: seed, members: members, duration: duration))
        // Members that are lost for good would hold the version back.
        if !isPair, !Self.hasPolicy(seed: seed, members: members) { addUpgrades() }
    }

    /// By chances of their own, so that what else happens under a seed stays.
    private mutating func addUpgrades() {
        guard hasServices, duration > 2_000 else { return }
        var random = Randomness(seed: seed &+ 0x0b5e)
        guard random.chance(perMille: 500) else { return }
        hasUpgrades = true
        // Some never are before the end, and members that come meanwhile may be.
        for host in 0...members where random.chance(perMille: 800) {
            let time = Milliseconds(random.number(in: 1_000..<Int(duration)))
            let downtime = Milliseconds(random.number(in: 100...5_000))
            faults.append(Fault(time: time, kind: .upgrade(host: host, downtime: downtime)))
        }
        faults.sort { $0.time < $1.time }
    }

    private static func kind(using random: inout Randomness, members: Int) -> Fault.Kind {
        // One more than there are: a member may have been added.
        let host = random.number(in: 0...members)
        let long = Milliseconds(random.number(in: 100...8_000))
        let short = Milliseconds(random.number(in: 2...60))
        switch random.number(in: 0..<144) {
        case 0..<13: return .crash(host: host, downtime: long)
        case 13..<16: return .crash(host: host, downtime: short)
        case 16..<20:
            return .leaderStumbles(latency: Milliseconds(random.number(in: 20...800)), downtime: short)
        case 20..<22: return .contest(duration: long)
        case 22..<27:
            return .powerLoss(latency: Milliseconds(random.number(in: 8...800)), downtime: long)
        case 27..<33: return .freeze(host: host, duration: long)
        case 33..<41: return .cut(from: host, to: random.number(in: 0...members), duration: long)
        case 41..<49: return .isolate(host: host, duration: long)
        case 49..<57: return .partition(side: random.next(), duration: long)
        case 57..<64:
            return .unreliable(
                lost: random.number(in: 0...400), doubled: random.number(in: 0...200), duration: long)
        case 64..<70: return .delay(Milliseconds(random.number(in: 20...2_000)), duration: long)
        case 70..<75:
            return .slowDisk(host: host, latency: Milliseconds(random.number(in: 50...1_500)), duration: long)
        case 75..<79: return .skew(host: host, perMille: random.number(in: -200...200))
        case 79..<86: return .trim(host: host)
        case 86..<91: return .transferLeadership
        case 91..<95: return .addMember
        case 95..<98: return .removeMember(host: host)
        case 98..<101: return .exchangeMembers(count: random.number(in: 1...3))
        case 101..<103: return .changeMembers(count: random.number(in: 2...4))
        case 103..<107:
            return .slowSide(
                side: random.next(), Milliseconds(random.number(in: 50...2_000)), duration: long)
        case 107..<111:
            return .changeSides(
                before: Milliseconds(random.number(in: 500...2_000)), isQuiet: random.chance(perMille: 500),
                duration: long)
        case 111..<117: return .handOverAndCut(delay: Milliseconds(random.number(in: 1...15)), duration: long)
        case 117..<122: return .minority(duration: long)
        case 122..<128: return .changeAndCut(isJoint: random.chance(perMille: 500), duration: long)
        case 128..<134: return .strand(delay: Milliseconds(random.number(in: 1...[50, 300][random.number(in: 0...1)])))
        case 134..<138: return .echo(perMille: random.number(in: 1...200), duration: long)
        case 138..<142: return .haste(duration: long)
        default: return .storm(duration: Milliseconds(random.number(in: 5_000...60_000)))
        }
    }
}
