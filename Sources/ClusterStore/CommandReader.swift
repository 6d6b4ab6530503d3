import ClusterModel
import JSON
import RaftNode

/// Reads what an entry of the log asks for: all of it, or not at all.
///
/// A member, a mutation or a kind of object that this version does not know was written by a newer one. To pass over it
/// would make this manager's state another than the others'.
struct CommandReader {
    let supported: SupportedVersions

    private static let coding = JSONCoding.exact(ignoring: Transaction.retiredMembers)

    func read(_ command: CommittedCommand) throws(ClusterStoreError) -> Transaction {
        let transaction: Transaction
        do {
            transaction = try Self.coding.decode(Transaction.self, from: command.bytes)
        } catch {
            let needs = try? JSONValue(parsing: command.bytes)["needs"]?.integer
            throw refusal(command, needs: needs.map { ClusterVersion(Int($0)) }, error.description)
        }
        if let needs = transaction.needs, needs > supported.highest {
            throw refusal(command, needs: needs, "it was written for newer managers")
        }
        return transaction
    }

    private func refusal(
        _ command: CommittedCommand, needs: ClusterVersion?, _ reason: String
    ) -> ClusterStoreError {
        .unknownCommand(index: command.index, needs: needs, supported: supported, reason: reason)
    }
}

extension SupportedVersions {
    /// Throws where a manager of these versions cannot go on with a state of a version.
    public func check(_ version: ClusterVersion) throws(ClusterStoreError) {
        guard contains(version) else { throw .unsupportedVersion(version, supported: self) }
    }
}
