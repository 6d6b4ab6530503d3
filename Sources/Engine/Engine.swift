import ContainerRuntime
import Dataplane
import EngineModel
import ImageStore
import LinuxSystem
import Logging
import NetworkModel
import Values

/// The engine's own record of a container's life, where the runtime's type has the same name.
typealias ContainerState = EngineModel.ContainerState

/// This host's containers, networks, volumes and images.
///
/// All operations throw `EngineError` where the caller or the state is at fault, with Docker's message and the class
/// that gives its HTTP status; any other error is the engine's own (status 500, its `description` is the message).
/// References are names, identifiers or unique prefixes of identifiers.
///
/// Operations on one container follow each other in the order in which they came; containers do not wait for each
/// other.
public actor Engine {
    public nonisolated let configuration: EngineConfiguration
    /// The host's images; for removal see `removeImage`, which knows which are in use.
    public nonisolated let images: ImageStore
    /// What happens to containers, images, networks and volumes.
    public nonisolated let events = EventBus()
    /// The kernel's side of networks, shared with the agent.
    public nonisolated let dataplane: Dataplane

    nonisolated let runtime: ContainerRuntime
    nonisolated let names: NameRegistry
    nonisolated let store: RecordStore
    nonisolated let logger: Logger
    /// Short work on files: what a start or an end waits for.
    nonisolated let files = FileWorker(name: "engine-files")
    /// Work that may take long: copies, sizes, removal of trees.
    nonisolated let bulk = FileWorker(name: "engine-bulk")
    /// By container identifier; `volumes` and `networks` for those.
    nonisolated let locks = KeyedLock()

    var records: [String: ContainerRecord] = [:]
    /// Identifiers by name.
    var identifiers: [String: String] = [:]
    var live: [String: LiveContainer] = [:]
    var execs: [String: ExecEntry] = [:]
    var networkRecords: [String: NetworkRecord] = [:]
    var addresses: [String: NetworkAddresses] = [:]
    var volumeStore: VolumeStore
    var ports = PortAllocator()
    var clusterNetworks: (any ClusterNetworks)?
    var clusterZones: [String: DNSZone] = [:]
    var background: [Task<Void, Never>] = []
    var isShuttingDown = false
    let engineID: String

    /// What of a container is known only while this engine runs.
    struct LiveContainer {
        var waiters = WaitQueue()
        /// Attached before the start.
        var pendingStreams: [ProcessStream] = []
        var health: Task<Void, Never>?
        var restart: Task<Void, Never>?
        /// Ends that followed a start so quickly that the next start waits longer.
        var quickEnds = 0
        var isStarting = false
        var isEnding = false
        /// The end of a container whose start has not returned yet.
        var earlyExit: ContainerExit?
        /// Interfaces of the current run on bridges of the host, and the names of all, by network.
        var attachments: [String: BridgeAttachment] = [:]
        var interfaces: [String: String] = [:]
        /// Woken when the container's state changes, for readers of its log.
        var logReaders: [UInt64: AsyncStream<Void>.Continuation] = [:]
    }

    /// Opens the host's records; nothing runs before `start`.
    public init(configuration: EngineConfiguration, logger: Logger = Logger(label: "engine")) async throws {
        self.configuration = configuration
        self.logger = logger
        for directory in ["containers", "volumes", "tmp"] {
            try Files.makeDirectories(configuration.dataDirectory + "/" + directory, mode: 0o710)
        }
        try Files.makeDirectories(configuration.runDirectory, mode: 0o711)
        images = try ImageStore(directory: configuration.dataDirectory + "/images", logger: logger)
        dataplane = try Dataplane(
            configuration: DataplaneConfiguration(
                runDirectory: configuration.runDirectory, hostNamespace: configuration.hostNamespace), logger: logger)
        runtime = try ContainerRuntime(
            runtimePath: configuration.runtimePath, dataDirectory: configuration.dataDirectory,
            runDirectory: configuration.runDirectory, logger: logger)
        names = NameRegistry(configuration: configuration, logger: logger)
        store = try RecordStore(path: configuration.dataDirectory + "/engine.sqlite")
        let kept = try await store.load()
        engineID = kept.engineID
        for record in kept.containers {
            records[record.id] = record
            identifiers[record.name] = record.id
            live[record.id] = LiveContainer()
        }
        for network in kept.networks { networkRecords[network.id] = network }
        volumeStore = VolumeStore(directory: configuration.dataDirectory + "/volumes", volumes: kept.volumes)
    }

    /// Where cluster networks come from from now on; nil outside a cluster.
    public func setClusterNetworks(_ networks: (any ClusterNetworks)?) { clusterNetworks = networks }

    /// Stops working and leaves containers running.
    public func shutdown() async {
        isShuttingDown = true
        for id in live.keys {
            live[id]?.health?.cancel()
            live[id]?.restart?.cancel()
            live[id]?.waiters.abandon()
            wakeLogReaders(id)
        }
        for task in background { task.cancel() }
        await names.disconnect()
        await store.close()
    }

    func publish(_ record: ContainerRecord, _ action: String, _ more: [String: String] = [:]) {
        var attributes = record.configuration.labels
        attributes["name"] = record.name
        attributes["image"] = record.configuration.image
        attributes.merge(more) { $1 }
        events.publish(
            EngineEvent(
                kind: .container, action: action, id: record.id, attributes: attributes, time: Clock.now()))
    }

    /// Writes a container's record. `isDurable` waits for the disk; otherwise a loss of power may lose it, not a crash
    /// of this process.
    func save(_ id: String, isDurable: Bool = false) async throws {
        guard let record = records[id] else { return }
        try await store.write([.container(record)], isDurable: isDurable)
    }

    /// The same where nobody can be told of a failure.
    func saveQuietly(_ id: String) async {
        do { try await save(id) } catch {
            logger.error("a container's record was not written", metadata: ["container": "\(id)", "error": "\(error)"])
        }
    }
}
