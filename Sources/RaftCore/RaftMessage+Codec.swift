extension RaftMessage {
    /// The first byte of every message.
    static let version: UInt8 = 1
    /// Entries of one message at most; the sender's limit is in bytes.
    static let entryLimit = 1 << 17

    /// The message as bytes: version, kind, sender, receiver, term, and what belongs to the kind.
    public func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: body.roughByteCount + 64)
        writer.byte(Self.version)
        writer.byte(body.kind)
        writer.number(from)
        writer.number(to)
        writer.number(term)
        writer.body(body)
        return writer.bytes
    }

    public init(decoding bytes: [UInt8]) throws(RaftCodecError) {
        guard bytes.count <= Self.byteLimit else { throw .tooLarge }
        var reader = ByteReader(bytes)
        let version = try reader.byte()
        guard version == Self.version else { throw .unknownVersion(version) }
        let kind = try reader.byte()
        from = try reader.number()
        to = try reader.number()
        term = try reader.ordinal()
        body = try reader.body(kind)
        try reader.finish()
    }
}

extension RaftMessage.Body {
    /// The kind's number on the wire; never used again for another one.
    var kind: UInt8 {
        switch self {
        case .preVoteRequest: 1
        case .preVoteResponse: 2
        case .voteRequest: 3
        case .voteResponse: 4
        case .append: 5
        case .appendAccepted: 6
        case .appendRejected: 7
        case .heartbeat: 8
        case .heartbeatResponse: 9
        case .snapshotChunk: 10
        case .snapshotReceived: 11
        case .timeoutNow: 12
        case .readIndex: 13
        case .readIndexResponse: 14
        case .proposals: 15
        case .snapshot: preconditionFailure("a snapshot travels in chunks")
        }
    }

    var roughByteCount: Int {
        switch self {
        case .append(_, _, _, let entries): entries.reduce(0) { $0 + $1.byteCount }
        case .snapshotChunk(let chunk): chunk.bytes.count + 1_024
        case .proposals(let commands): commands.reduce(0) { $0 + $1.count + 4 }
        default: 0
        }
    }
}

extension ByteWriter {
    mutating func body(_ body: RaftMessage.Body) {
        switch body {
        case .preVoteRequest(let lastIndex, let lastTerm): numbers(lastIndex, lastTerm)
        case .preVoteResponse(let granted), .voteResponse(let granted): flag(granted)
        case .voteRequest(let lastIndex, let lastTerm, let isTransfer):
            numbers(lastIndex, lastTerm)
            flag(isTransfer)
        case .append(let previousIndex, let previousTerm, let commit, let entries):
            numbers(previousIndex, previousTerm, commit, UInt64(entries.count))
            for entry in entries {
                number(entry.term)
                byte(entry.payload.kind)
                data(entry.payload.encoded)
            }
        case .appendAccepted(let index): number(index)
        case .appendRejected(let rejected, let hint, let hintTerm): numbers(rejected, hint, hintTerm)
        case .heartbeat(let commit, let read): numbers(commit, read)
        case .heartbeatResponse(let read): number(read)
        case .snapshotChunk(let chunk):
            numbers(chunk.metadata.index, chunk.metadata.term)
            membership(chunk.metadata.membership)
            numbers(chunk.byteCount, chunk.checksum, chunk.offset)
            data(chunk.bytes)
        case .snapshotReceived(let index, let received): numbers(index, received)
        case .timeoutNow, .snapshot: break
        case .readIndex(let request): number(request)
        case .readIndexResponse(let request, let index): numbers(request, index)
        case .proposals(let commands):
            number(UInt64(commands.count))
            for command in commands { data(command) }
        }
    }

    private mutating func numbers(_ values: UInt64...) {
        for value in values { number(value) }
    }
}

extension ByteReader {
    mutating func body(_ kind: UInt8) throws(RaftCodecError) -> RaftMessage.Body {
        switch kind {
        case 1: .preVoteRequest(lastIndex: try ordinal(), lastTerm: try ordinal())
        case 2: .preVoteResponse(granted: try flag())
        case 3: .voteRequest(lastIndex: try ordinal(), lastTerm: try ordinal(), isTransfer: try flag())
        case 4: .voteResponse(granted: try flag())
        case 5: try append()
        case 6: .appendAccepted(index: try ordinal())
        case 7: .appendRejected(rejected: try ordinal(), hint: try ordinal(), hintTerm: try ordinal())
        case 8: .heartbeat(commit: try ordinal(), read: try number())
        case 9: .heartbeatResponse(read: try number())
        case 10: .snapshotChunk(try snapshotChunk())
        case 11: .snapshotReceived(index: try ordinal(), received: try ordinal())
        case 12: .timeoutNow
        case 13: .readIndex(request: try number())
        case 14: .readIndexResponse(request: try number(), index: try ordinal())
        case 15: .proposals(try commands())
        default: throw .unknownKind(kind)
        }
    }

    private mutating func append() throws(RaftCodecError) -> RaftMessage.Body {
        let previousIndex = try ordinal()
        let previousTerm = try ordinal()
        let commit = try ordinal()
        let count = try count(limit: RaftMessage.entryLimit)
        guard previousIndex < UInt64(Int64.max) - UInt64(count) else { throw .malformed }
        var entries: [Entry] = []
        for offset in 0..<count {
            let term = try ordinal()
            let kind = try byte()
            let payload = try Entry.Payload(kind: kind, encoded: data(limit: Entry.commandByteLimit))
            entries.append(Entry(index: previousIndex + UInt64(offset) + 1, term: term, payload: payload))
        }
        return .append(previousIndex: previousIndex, previousTerm: previousTerm, commit: commit, entries: entries)
    }

    private mutating func commands() throws(RaftCodecError) -> [[UInt8]] {
        var commands: [[UInt8]] = []
        for _ in 0..<(try count(limit: RaftMessage.entryLimit)) {
            commands.append(try data(limit: Entry.commandByteLimit))
        }
        return commands
    }

    private mutating func snapshotChunk() throws(RaftCodecError) -> SnapshotChunk {
        let index = try ordinal()
        let term = try ordinal()
        let metadata = SnapshotMetadata(index: index, term: term, membership: try membership())
        let byteCount = try ordinal()
        let checksum = try number()
        return SnapshotChunk(
            metadata: metadata, byteCount: byteCount, checksum: checksum, offset: try ordinal(),
            bytes: try data(limit: SnapshotChunk.byteLimit))
    }
}
