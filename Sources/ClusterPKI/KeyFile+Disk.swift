import JSON
import LinuxSystem

extension KeyFile {
    /// Writes the keys durably, for root alone: after a loss of power the file is as before or as it is now.
    public func save(directory: String) throws(PKIError) {
        do {
            try Files.makeDirectories(directory, mode: 0o700)
            try Files.writeDurably(directory + "/" + Self.name, JSONCoding.encode(self), mode: 0o600)
        } catch {
            throw .file("\(error)")
        }
    }

    /// Reads the file that `save` wrote; nil where there is none.
    public static func load(directory: String) throws(PKIError) -> KeyFile? {
        let path = directory + "/" + name
        do {
            // What an end of the daemon cut short may hold keys that are not locked.
            try Files.removeTree(path + Files.temporarySuffix)
            if !Files.exists(path) { try join(directory: directory) }
            for name in oldNames { try Files.removeTree("\(directory)/\(name)") }
            guard Files.exists(path) else { return nil }
            let file: KeyFile
            do { file = try JSONCoding.decode(KeyFile.self, from: Files.read(path)) } catch is JSONError {
                // The parser's words might quote what stands there.
                throw PKIError.malformed(path, "it is no key file")
            }
            guard file.isWhole else { throw PKIError.malformed(path, "a newer version wrote it, or it was changed") }
            return file
        } catch let error as PKIError {
            throw error
        } catch {
            throw .file("\(error)")
        }
    }

    /// Where versions without locks kept the keys: identity and data keys.
    private static let oldNames = ["node.pem", "data-keys.json"]

    /// Puts the keys of such a version into one file.
    private static func join(directory: String) throws {
        let paths = oldNames.map { "\(directory)/\($0)" }
        guard Files.exists(paths[0]) else { return }
        var keys = HostKeys(identity: try NodeIdentity(pem: Files.text(paths[0]), of: paths[0]))
        if Files.exists(paths[1]) {
            do { keys.dataKeys = try JSONCoding.decode(DataKeys.self, from: Files.read(paths[1])) } catch is JSONError {
                throw PKIError.malformed(paths[1], "it is no list of keys")
            }
        }
        try KeyFile(keys, lock: KeyLock()).save(directory: directory)
    }
}
