/// Why a backup could not be written or read.
public enum BackupError: Error, Hashable, Sendable, CustomStringConvertible {
    /// It does not begin as a backup does.
    case foreign
    /// Written in a form that this version does not know.
    case unknownVersion(UInt32)
    case truncated
    /// The bytes are not those that were written; the text says where it shows.
    case damaged(String)
    case passphraseNeeded
    case passphraseWrong
    /// A passphrase was given for a backup that has none.
    case notEncrypted
    /// The file system's own words.
    case storage(String)

    public var description: String {
        switch self {
        case .foreign: "this is no backup of a Martlet cluster"
        case .unknownVersion(let version):
            """
            the backup has format \(version), which this version of martletd does not know (it knows up to \
            \(BackupPreamble.version)): restore it with the version that wrote it, or a newer one
            """
        case .truncated: "the backup is cut off"
        case .damaged(let what): "the backup is damaged: \(what)"
        case .passphraseNeeded: "the backup is encrypted: its passphrase is needed"
        case .passphraseWrong: "the passphrase is wrong, or the backup was changed"
        case .notEncrypted: "the backup is not encrypted: it takes no passphrase"
        case .storage(let reason): reason
        }
    }
}
