import ClusterPKI
import DatabaseCipher
import LinuxSystem
import SQLite

/// The databases in a host's data directory, whose daemon does not run, with the keys that lie beside them.
public struct HostDatabases {
    /// Of Raft's log, and of the state.
    private let log: SealedDisk?
    private let state: SealedDisk?
    private let paths: [String]

    /// - Throws: where there is no key file that opens without an unlock key, or no state.
    public init(directory: String) throws {
        let cluster = directory + "/cluster"
        let keys = try KeyFile.load(directory: cluster)?.open().0.databaseKeys
        log = keys?.cipher(for: .log).map { SealedDisk($0) }
        state = keys?.cipher(for: .state).map { SealedDisk($0) }
        let names = try Files.list(cluster).filter { $0.hasSuffix(".sqlite") }
        guard names.contains("raft.sqlite"), names.contains(where: { $0.hasPrefix("state-") }) else {
            throw SystemError("look for a state among \(names)", cluster, errno: 2)
        }
        let engine = directory + "/engine.sqlite"
        paths = names.sorted().map { cluster + "/" + $0 } + (Files.exists(engine) ? [engine] : [])
    }

    /// What is not whole, in words, and a line for each config of the state.
    public func check() -> (damage: [String], configs: [String]) {
        var damage: [String] = []
        var configs: [String] = []
        for path in paths {
            do {
                let isState = path.contains("/state-")
                let database = try Database(
                    path: path, on: isState ? state : path.hasSuffix("/raft.sqlite") ? log : nil)
                let words = try database.query("PRAGMA integrity_check") { $0.text(0) }
                if words != ["ok"] { damage.append("\(path): \(words.prefix(5))") }
                guard isState else { continue }
                configs += try database.query("SELECT id || name || version || body FROM config ORDER BY id") {
                    $0.text(0)
                }
            } catch {
                damage.append("\(path): \(error)")
            }
        }
        return (damage, configs)
    }
}
