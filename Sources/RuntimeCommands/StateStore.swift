import CLinux
import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeSpec

/// The directory of containers' states (`--root`), one directory each.
struct StateStore {
    let root: String

    private static let stateFile = "state.json"
    private static let creationFile = "creation.json"
    private static let configurationFile = "config.json"
    /// The longest state that is read, in bytes.
    private static let stateLimit = 16 << 20

    func directory(_ id: String) -> String { root + "/" + id }

    /// Where who starts a container finds its first process; gone once it has been started.
    func gate(_ id: String) -> String { directory(id) + "/start.sock" }

    /// Filters that were compiled; no identifier has a colon.
    var filterCache: String { root + "/:filters" }

    /// Takes an identifier; who comes second is told.
    func claim(_ id: String) throws {
        try Files.makeDirectories(root, mode: 0o711)
        guard mkdir(directory(id), 0o711) == 0 else {
            if errno == EEXIST { throw SetupError("container with id \(id) already exists") }
            throw SystemError("mkdir", directory(id), errno: errno)
        }
    }

    func release(_ id: String) throws { try Files.removeTree(directory(id)) }

    /// - Parameter configuration: the text of the record's configuration; nil keeps the one that is there.
    func save(_ record: ContainerRecord, configuration: [UInt8]?) throws {
        if let configuration { try write(configuration, Self.configurationFile, record.id) }
        try write(record.json.serialized(), Self.stateFile, record.id)
    }

    /// The first file of a creation: the configuration of a container that is being made.
    ///
    /// - Returns: the file, which tells others that the creation goes on as long as it is open here.
    func beginCreation(_ id: String, configuration: [UInt8]) throws -> Descriptor {
        let path = directory(id) + "/" + Self.configurationFile
        let file = try Descriptor.open(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        try checked("lock", on: path, cl_lock_record(file.rawValue))
        try Bytes.writeAll(file.rawValue, configuration)
        return file
    }

    /// What there is by now of a container that is being made.
    func note(_ record: ContainerRecord) throws { try write(record.json.serialized(), Self.creationFile, record.id) }

    /// From now on the container is there for everybody.
    func endCreation(_ id: String) throws {
        let (noted, kept) = (directory(id) + "/" + Self.creationFile, directory(id) + "/" + Self.stateFile)
        try syscall("rename", on: kept) { rename(noted, kept) }
    }

    private func write(_ text: [UInt8], _ name: String, _ id: String) throws {
        let path = directory(id) + "/" + name
        // Environments hold secrets.
        try Files.write(path + ".tmp", text, mode: 0o600)
        try syscall("rename", on: path) { rename(path + ".tmp", path) }
    }

    /// Whether a creation has begun and was not ended.
    func isBeingCreated(_ id: String) -> Bool { !Files.exists(directory(id) + "/" + Self.stateFile) }

    /// Whether the process lives that makes the container.
    func hasCreator(_ id: String) -> Bool {
        let path = directory(id) + "/" + Self.configurationFile
        guard let file = try? Descriptor.open(path, O_RDWR) else { return false }
        return cl_record_is_locked(file.rawValue) == 1
    }

    /// What a creation noted that was not ended; nil where it did not come so far.
    func creation(_ id: String) -> ContainerRecord? { try? record(directory(id) + "/" + Self.creationFile) }

    private func record(_ path: String) throws -> ContainerRecord {
        let record = try ContainerRecord(parsing: Files.read(path, limit: Self.stateLimit))
        guard record.version <= ContainerRecord.currentVersion else {
            throw SetupError("it was made by a newer martlet-runtime")
        }
        return record
    }

    /// The configuration of a container, also of one of which nothing else is noted yet.
    func configuration(_ id: String) throws -> RuntimeConfiguration {
        try RuntimeConfiguration(
            parsing: Files.read(directory(id) + "/" + Self.configurationFile, limit: Self.stateLimit))
    }

    /// A container, also one that is being made but has its first process already.
    func load(_ id: String) throws -> StoredContainer {
        let path = directory(id) + "/" + Self.stateFile
        let noted = Files.exists(path) ? nil : creation(id)
        // The creation may have ended meanwhile.
        guard noted.map({ $0.pid > 0 }) ?? Files.exists(path) else {
            throw SetupError("container \(id) does not exist")
        }
        do {
            var record = try noted ?? record(path)
            record.configuration = try configuration(id)
            return StoredContainer(record: record, store: self)
        } catch {
            throw SetupError("the state of container \(id) is unreadable: \(SetupError(error).reason)")
        }
    }

    /// The containers that have a state, by identifier.
    func all() -> [StoredContainer] {
        ((try? Files.list(root)) ?? []).compactMap { $0.contains(":") ? nil : try? load($0) }
    }

    /// Waits until no other command changes the container; held until the descriptor ends.
    func lock(_ id: String) throws -> Descriptor {
        let missing = SetupError("container \(id) does not exist")
        guard Files.isDirectory(directory(id)) else { throw missing }
        let lock = try Descriptor.open(directory(id), O_RDONLY | O_DIRECTORY)
        try syscall("flock", on: directory(id)) { flock(lock.rawValue, LOCK_EX) }
        // Who held it before may have deleted the container, and another may have its name since.
        var held = stat()
        var present = stat()
        guard fstat(lock.rawValue, &held) == 0, stat(directory(id), &present) == 0, held.st_ino == present.st_ino else {
            throw missing
        }
        return lock
    }
}
