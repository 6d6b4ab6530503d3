import Agent
import ArgumentParser
import ClusterManager
import ClusterModel
import Engine
import EngineAPI
import Glibc
import LinuxSystem
import Logging
import SQLite
import ServiceLifecycle
import Values

/// Martlet's daemon: the engine of this host, its agent and, where asked, a manager.
@main
struct Martletd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martletd", abstract: "Runs containers and services on this host.",
        version: ServerVersion.text)

    @Option(name: .customLong("data"), help: "Where images, containers, volumes and the cluster's state are kept.")
    var dataDirectory = "/var/lib/martlet"

    @Option(name: .customLong("run"), help: "Where sockets and network namespaces are; empty after a reboot.")
    var runDirectory = "/run/martlet"

    @Option(
        help: "Where the API listens: unix:///path or tcp://address:port. May be repeated. (default: a socket in --run)"
    )
    var host: [String] = []

    @Option(help: "The port on which the hosts of a cluster talk to each other.")
    var clusterPort: UInt16 = 2377

    @Option(help: "This host's name. (default: the kernel's)")
    var name: String?

    @Option(help: "The program martlet-runtime. (default: beside martletd)")
    var runtime: String?

    @Option(help: "The program martlet-net. (default: beside martletd)")
    var net: String?

    @OptionGroup var backups: BackupOptions

    @Option(
        help: "The least serious messages that are logged: trace, debug, info, notice, warning, error, critical.",
        transform: { text in
            guard let level = Logger.Level(rawValue: text) else {
                throw ValidationError("'\(text)' is no log level")
            }
            return level
        })
    var logLevel = Logger.Level.info

    /// How long requests under way may take to end after the daemon was asked to; then they are cancelled.
    private static let shutdownLimit = Duration.seconds(15)

    func run() async throws {
        // A client that leaves while it is written to is an error of that write, not the end of the daemon.
        signal(SIGPIPE, SIG_IGN)
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        let logger = Self.logger(logLevel)
        try Self.addDiskFaults(logger)
        // Every container takes a descriptor, and every client and stream.
        do { try OpenFileLimit.raise() } catch {
            logger.warning("the limit of open files stays", metadata: ["error": "\(error)"])
        }
        let listeners = try (host.isEmpty ? ["unix://\(runDirectory)/martlet.sock"] : host).map {
            try ListenAddress(parsing: $0)
        }
        try HostDirectories.prepare(data: dataDirectory, run: runDirectory)
        let engine = try await Engine(configuration: engineConfiguration(), logger: logger)
        try await engine.start()
        let description = try await nodeDescription(engine)
        var clusterPart = ControlPlaneConfiguration(
            directory: "\(dataDirectory)/cluster", port: clusterPort, description: description)
        #if DEBUG
            if let older = try OlderProgram.supportedVersions { clusterPart.supportedVersions = older }
        #endif
        clusterPart.entriesPerSnapshot = try Self.entriesPerSnapshot()
        let control = ControlPlane(configuration: clusterPart, logger: logger)
        let agent = Agent(
            engine: engine, access: control, description: description,
            bootID: try HostDirectories.bootID(run: runDirectory), logger: logger)
        control.setHostServices(agent)
        try await control.start()
        let server = EngineServer(engine: engine, cluster: control, listeners: listeners, logger: logger) { listeners in
            logger.info("listening", metadata: ["addresses": "\(listeners.map(\.description).joined(separator: " "))"])
        }
        var services = ServiceGroupConfiguration(
            services: [
                .init(service: AgentService(agent: agent)),
                .init(service: BackupService(control: control, schedule: try backups.schedule())),
                .init(service: server, successTerminationBehavior: .gracefullyShutdownGroup),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        services.maximumGracefulShutdownDuration = Self.shutdownLimit
        try await ServiceGroup(configuration: services).run()
        await control.shutdown()
        // Containers stay; their shims hold what they need.
        await engine.shutdown()
        logger.info("stopped; containers keep running")
    }

    /// For tests of whole clusters (docs/consensus.md, "On the disk"): with `MARTLET_DISK_FAULTS` in the environment,
    /// databases fail by chance and lose what was not synced. Whoever sets it wants to lose data.
    private static func addDiskFaults(_ logger: Logger) throws {
        guard let description = getenv("MARTLET_DISK_FAULTS").map({ String(cString: $0) }) else { return }
        try FaultyDisk.makeStandard(description)
        logger.critical(
            "the disk is made to fail, as MARTLET_DISK_FAULTS has it: data will be lost",
            metadata: ["faults": "\(description)"])
    }

    /// For tests of whole clusters: `MARTLET_ENTRIES_PER_SNAPSHOT` has managers write snapshots, and send them to those
    /// that are behind, as often as they do in days otherwise.
    private static func entriesPerSnapshot() throws -> UInt64? {
        let name = "MARTLET_ENTRIES_PER_SNAPSHOT"
        guard let text = getenv(name).map({ String(cString: $0) }) else { return nil }
        guard let count = UInt64(text), 1...1_000_000 ~= count else {
            throw ValidationError("\(name)=\(text): a number of entries from 1 to 1000000")
        }
        return count
    }

    /// What this host says of itself to the managers.
    private func nodeDescription(_ engine: Engine) async throws -> NodeDescription {
        let host = try await engine.information()
        return NodeDescription(
            hostname: name ?? Self.hostname, platform: .init(architecture: host.architecture),
            resources: .init(nanoCPUs: Int64(host.cpus) * 1_000_000_000, memoryBytes: host.memoryBytes),
            engine: .init(engineVersion: ServerVersion.text, labels: engine.configuration.labels))
    }

    private static func logger(_ level: Logger.Level) -> Logger {
        var logger = Logger(label: "martletd")
        logger.logLevel = level
        return logger
    }

    private func engineConfiguration() -> EngineConfiguration {
        EngineConfiguration(
            dataDirectory: dataDirectory, runDirectory: runDirectory, hostname: name ?? Self.hostname,
            runtimePath: runtime ?? Self.beside("martlet-runtime"), nameServicePath: net ?? Self.beside("martlet-net"))
    }

    private static var hostname: String {
        var name = utsname()
        uname(&name)
        return withUnsafeBytes(of: name.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// The path of a program in the directory of this one.
    private static func beside(_ program: String) -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes {
            readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        let own = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        return own.prefix(own.lastIndex(of: "/").map { own.distance(from: own.startIndex, to: $0) } ?? 0) + "/"
            + program
    }
}

/// Backups that a manager writes by itself.
struct BackupOptions: ParsableArguments {
    @Option(
        name: .customLong("backup-directory"), help: "Write backups of the cluster's state there while a manager.")
    var directory: String?

    @Option(name: .customLong("backup-interval"), help: "How long after a backup the next one is written.")
    var interval = "24h"

    @Option(name: .customLong("backup-keep"), help: "How many backups are kept.")
    var count = 7

    @Option(
        name: .customLong("backup-passphrase-file"), help: "A file whose first line encrypts backups.")
    var passphraseFile: String?

    /// nil where none are asked for.
    func schedule() throws -> BackupSchedule? {
        guard let directory else { return nil }
        guard let nanoseconds = GoDuration.nanoseconds(interval), nanoseconds >= 60_000_000_000 else {
            throw ValidationError("--backup-interval \(interval): write 24h, 90m and the like, at least 1m")
        }
        guard count >= 1 else { throw ValidationError("--backup-keep \(count): at least one is kept") }
        let passphrase = try passphraseFile.map { Array(try Files.read($0).prefix { $0 != 0x0a }) }
        guard passphrase?.isEmpty != true else { throw ValidationError("the passphrase for backups is empty") }
        return BackupSchedule(
            directory: directory, intervalNanoseconds: nanoseconds, count: count, passphrase: passphrase)
    }
}

/// The scheduled backups, as long as the daemon runs.
private struct BackupService: Service, CustomStringConvertible {
    let control: ControlPlane
    let schedule: BackupSchedule?

    var description: String { "the backups" }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            if let schedule { return await control.keepBackups(schedule) }
            while (try? await Task.sleep(for: .seconds(86_400))) != nil {}
        }
    }
}

/// The agent, as long as the daemon runs.
private struct AgentService: Service, CustomStringConvertible {
    let agent: Agent

    var description: String { "the agent" }

    func run() async throws { await cancelWhenGracefulShutdown { await agent.run() } }
}
