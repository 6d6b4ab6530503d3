import LinuxSystem
import RaftCore
import SQLite

extension RaftNode {
    /// What a new group begins with.
    public struct Refounding: Sendable, Hashable {
        /// The last command in the state: the new log goes on behind it.
        public var index: UInt64
        public var term: UInt64
    }

    /// To whom the log in a directory belongs; nil where there is none. The directory must not be in use by a node.
    public static func member(in directory: String, on disk: SealedDisk? = nil) throws(RaftError) -> RaftMember? {
        try RaftStorage(directory: directory, on: disk).load().member
    }

    /// Makes the directory that of a group of one: for a restored state, or where a majority is lost for good.
    ///
    /// Commands of the log that are here and not applied yet are applied, since they may have been acknowledged. The
    /// rest of the log, the members and the old identity are forgotten, in one transaction. The directory must not be
    /// in use by a node.
    ///
    /// - Parameters:
    ///   - member: with a new identity.
    ///   - disk: as for `init`.
    ///   - term: the new group's terms are larger than this one and than those of the log.
    public static func refound(
        directory: String, as member: RaftMember, stateMachine: any RaftStateMachine, on disk: SealedDisk? = nil,
        after term: UInt64 = 0
    ) throws(RaftError) -> Refounding {
        let storage = try RaftStorage(directory: directory, on: disk)
        let contents = try storage.load()
        storage.removeLeftovers(except: contents.snapshot)
        if let snapshot = contents.snapshot, stateMachine.appliedIndex < contents.base.index {
            try NodeLoop.install(snapshot, into: stateMachine, directory: storage.snapshotDirectory)
        }
        let missing = contents.entries.compactMap { entry -> CommittedCommand? in
            guard entry.index > stateMachine.appliedIndex, case .command(let bytes) = entry.payload else { return nil }
            return CommittedCommand(index: entry.index, term: entry.term, bytes: bytes)
        }
        let last = max(term, contents.hardState.term, contents.entries.last?.term ?? 0)
        do {
            if !missing.isEmpty { _ = try stateMachine.apply(missing) }
            let name = "snapshot-\(stateMachine.appliedIndex)-\(last)-refounded-\(member.id)"
            let path = storage.snapshotDirectory + "/" + name
            guard let index = try stateMachine.writeSnapshot(to: path), index > 0 else {
                throw RaftError.storage("there is no state to begin with")
            }
            let (byteCount, checksum) = try SnapshotFile.seal(path, on: stateMachine.snapshotDisk)
            let metadata = SnapshotMetadata(
                index: index, term: last, membership: Membership([.init(member: member, isVoter: true)]))
            let file = SnapshotFile(metadata: metadata, name: name, byteCount: byteCount, checksum: checksum)
            try storage.refound(member, HardState(term: last, vote: 0, commit: index), behind: file)
            return Refounding(index: index, term: last)
        } catch let error as RaftError {
            throw error
        } catch {
            throw .storage("\(error)")
        }
    }
}
