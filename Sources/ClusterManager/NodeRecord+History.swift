import ClusterPKI
import SessionModel

/// After a restore or a recovery there may be two histories of one cluster, with one CA and the same nodes. A host
/// belongs to one of them.
extension NodeRecord {
    /// Whether this host does what the leader of a history says. One that has a log of its own, or is about to get one,
    /// never changes over: it would throw away what may be the only copy of the other history.
    func follows(_ other: String) -> Bool { !isManager || history == nil || history == other }

    /// Whether this host answers a peer. Managers speak for their history alone. A worker may come from another one: it
    /// looks for whoever leads where the managers were.
    func admits(_ role: PeerIdentity.Role, of other: String?) -> Bool {
        role == .worker || history == nil || other == nil || history == other
    }

    /// Whether the managers are where a list says.
    func believes(_ list: ManagerAddresses) -> Bool {
        !list.managers.isEmpty && (history == nil || history == list.history)
    }
}

/// Where the managers of a history of the cluster are.
struct ManagerAddresses: Hashable, Codable {
    var history: String
    var managers: [PeerAddress]
}
