import LinuxSystem
import Values

/// The directories that martletd owns on its host.
enum HostDirectories {
    /// Makes them where they are missing; nobody but root looks into the data.
    static func prepare(data: String, run: String) throws {
        try Files.makeDirectories(data, mode: 0o711)
        try Files.makeDirectories(run, mode: 0o755)
    }

    /// Names this boot of the host: made when the run directory is empty, and lost with it. The kernel's own is shared
    /// by hosts that are namespaces of one machine.
    static func bootID(run: String) throws -> String {
        let path = "\(run)/boot_id"
        if Files.exists(path) { return try Files.text(path) }
        var generator = SystemRandomNumberGenerator()
        let id = Identifiers.base36(count: 25, using: &generator)
        try Files.writeDurably(path, Array(id.utf8))
        return id
    }
}
