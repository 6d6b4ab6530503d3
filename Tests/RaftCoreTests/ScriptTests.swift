import DataDriven
import Glibc
import Testing

@testable import RaftCore

/// Runs of whole groups as text, in `Scripts`: `REWRITE=1` writes them as they came out, for the difference to be read.
@Suite struct RaftScriptTests {
    private static let folder =
        "\(#filePath)".split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/Scripts"

    static let names: [String] = {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(".txt") { names.append(name) }
        }
        return names.sorted()
    }()

    @Test func thereAreScripts() { #expect(Self.names.count >= 7) }

    @Test(arguments: names) func script(_ name: String) throws {
        let path = Self.folder + "/" + name
        let script = Script(try Self.read(path))
        let stage = Stage()
        let (difference, text) = script.run { stage.perform($0) }
        #expect(stage.group.violations.isEmpty)
        if Script.isRewriting { return try Self.write(text, path) }
        if let difference { Issue.record("\(name), \(difference)") }
    }

    private static func read(_ path: String) throws -> String {
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    }

    private static func write(_ text: String, _ path: String) throws {
        let file = try #require(fopen(path, "w"))
        defer { fclose(file) }
        fputs(text, file)
    }
}

/// Carries directives out on a group and says in words what happened.
private final class Stage {
    private(set) var group = try! Group(voters: [])

    func perform(_ directive: String) -> String {
        let words = directive.split(separator: " ").map(String.init)
        do {
            return try perform(words[0], Array(words.dropFirst()))
        } catch {
            return "refused: \(error)"
        }
    }

    private func perform(_ verb: String, _ words: [String]) throws -> String {
        let numbers = words.compactMap(UInt64.init)
        switch verb {
        // group 1 2 3w 4+2: 3 is a witness, 4 has priority 2.
        case "group":
            group = try Group(members: words.map(Self.member))
            return status()
        case "join":
            for word in words { try group.add(Self.member(word).id) }
            return status()
        case "campaign": return on(numbers[0]) { $0.campaign() }
        case "tick": return on(numbers[0]) { raft in for _ in 0..<(numbers.dropFirst().first ?? 1) { raft.tick() } }
        case "time":
            for id in group.ids { group.hosts[id]!.raft.now = numbers[0] }
            return ""
        case "propose":
            _ = try group.hosts[numbers[0]]!.raft.propose(words.dropFirst().map { Array($0.utf8) })
        case "forward":
            let isSent = group.hosts[numbers[0]]!.raft.forward(words.dropFirst().map { Array($0.utf8) })
            if !isSent { return "no leader is known" }
        case "change": _ = try group.hosts[numbers[0]]!.raft.propose(Self.change(Array(words.dropFirst())))
        case "transfer": try group.hosts[numbers[0]]!.raft.transferLeadership(to: numbers[1])
        case "read": if !group.requestRead(numbers[1], on: numbers[0]) { return "no leader is known" }
        case "compact":
            group.compact(numbers[0], through: numbers[1])
            return status()
        case "cut": group.cut(numbers[0], numbers[1])
        case "isolate": group.isolate(numbers[0])
        case "mend": group.mend()
        case "crash": group.crash(numbers[0])
        case "restart": try group.restart(numbers[0])
        case "drop": group.queue = []
        case "deliver": return deliver(numbers.first ?? 1_000)
        case "status": return status()
        default: return "unknown directive \(verb)"
        }
        if let id = numbers.first, group.hosts[id]?.isAlive == true { return on(id) { _ in } }
        return ""
    }

    /// What a host sends because of something.
    private func on(_ id: UInt64, _ body: (inout Raft) -> Void) -> String {
        let before = group.queue.count
        body(&group.hosts[id]!.raft)
        group.carryOut(id)
        return group.queue.dropFirst(before).map { "sends " + Self.words($0) }.joined(separator: "\n") + reads()
    }

    private func deliver(_ limit: UInt64) -> String {
        var lines: [String] = []
        while !group.queue.isEmpty, lines.count < limit {
            let message = group.queue.removeFirst()
            let isLost = group.cuts.contains([message.from, message.to]) || group.hosts[message.to]?.isAlive != true
            lines.append(Self.words(message) + (isLost ? " (lost)" : ""))
            group.deliver(message)
        }
        return lines.joined(separator: "\n") + reads()
    }

    /// Answers to reads since the last time.
    private func reads() -> String {
        var text = ""
        for id in group.ids {
            for read in group.hosts[id]!.reads { text += "\n\(id) may answer read \(read.request) at \(read.index)" }
            group.hosts[id]!.reads = []
        }
        return text
    }

    private func status() -> String {
        group.ids.map { id in
            let raft = group[id]
            guard group.hosts[id]!.isAlive else { return "\(id): down" }
            let electorate = raft.latestMembership.electorate
            let voters = electorate.incoming.map(String.init).joined(separator: ",")
            let outgoing = electorate.outgoing.map(String.init).joined(separator: ",")
            let learners = raft.latestMembership.ids.filter { !electorate.contains($0) }.map(String.init)
            return "\(id): \(raft.isRemoved ? "removed " : "")\(raft.role) term \(raft.currentTerm) "
                + "leader \(raft.leader) log \(raft.firstIndex)-\(raft.lastIndex) committed \(raft.committedIndex) "
                + "voters \(voters)" + (outgoing.isEmpty ? "" : " and \(outgoing)")
                + (learners.isEmpty ? "" : " learners \(learners.joined(separator: ","))")
                + (group.commands(id).isEmpty ? "" : " applied \(group.commands(id).joined(separator: " "))")
        }.joined(separator: "\n")
    }

    // MARK: Words

    /// `3w` is a witness, `4+2` has priority 2.
    private static func member(_ word: String) -> RaftMember {
        let parts = word.split(separator: "+")
        let isWitness = parts[0].hasSuffix("w")
        let id = UInt64(isWitness ? parts[0].dropLast() : parts[0])!
        return RaftMember(
            id: id, nodeID: "node\(id)", address: "10.0.0.\(id):2377", isWitness: isWitness,
            priority: parts.count > 1 ? UInt8(parts[1])! : 0)
    }

    /// add 4, promote 4, demote 4, remove 4; several with commas between are a joint change.
    private static func change(_ words: [String]) -> MembershipChange {
        let changes = words.joined(separator: " ").split(separator: ",").map { text -> MembershipChange in
            let words = text.split(separator: " ").map(String.init)
            switch words[0] {
            case "add": return .addLearner(member(words[1]))
            case "promote": return .promote(UInt64(words[1])!)
            case "demote": return .demote(UInt64(words[1])!)
            default: return .remove(UInt64(words[1])!)
            }
        }
        return changes.count == 1 ? changes[0] : .joint(changes)
    }

    private static func words(_ message: RaftMessage) -> String {
        "\(message.from)->\(message.to) term \(message.term) " + words(message.body)
    }

    private static func words(_ body: RaftMessage.Body) -> String {
        switch body {
        case .preVoteRequest(let index, let term): "would you vote? log \(index)/\(term)"
        case .preVoteResponse(let granted): granted ? "would vote" : "would not vote"
        case .voteRequest(let index, let term, let isTransfer):
            "vote! log \(index)/\(term)\(isTransfer ? ", by hand-over" : "")"
        case .voteResponse(let granted): granted ? "votes" : "does not vote"
        case .append(let index, let term, let commit, let entries):
            "append after \(index)/\(term) commit \(commit)" + entries.map { " " + words($0) }.joined()
        case .appendAccepted(let index): "has \(index)"
        case .appendRejected(let rejected, let hint, let term): "lacks \(rejected), try \(hint)/\(term)"
        case .heartbeat(let commit, let read): "heartbeat commit \(commit) round \(read)"
        case .heartbeatResponse(let read): "heartbeat answered, round \(read)"
        case .snapshot(let metadata): "snapshot \(metadata.index)/\(metadata.term)"
        case .snapshotChunk, .snapshotReceived: "snapshot's bytes"
        case .timeoutNow: "take over"
        case .readIndex(let request): "read \(request)?"
        case .readIndexResponse(let request, let index): "read \(request) at \(index)"
        case .proposals(let commands):
            "propose " + commands.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
        }
    }

    private static func words(_ entry: Entry) -> String {
        switch entry.payload {
        case .nothing: "\(entry.index)/\(entry.term)"
        case .command(let bytes): "\(entry.index)/\(entry.term):\(String(decoding: bytes, as: UTF8.self))"
        case .membership(.joint): "\(entry.index)/\(entry.term):joint"
        case .membership(.leaveJoint): "\(entry.index)/\(entry.term):leave-joint"
        case .membership: "\(entry.index)/\(entry.term):member"
        }
    }
}
