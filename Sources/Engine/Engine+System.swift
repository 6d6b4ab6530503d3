import Cgroups
import EngineModel
import Glibc
import LinuxSystem
import Values

/// Counts and facts of the host (Engine API: SystemInfo).
public struct HostInformation: Sendable {
    public var containers = 0
    public var running = 0
    public var paused = 0
    public var stopped = 0
    public var images = 0
    public var kernelVersion = ""
    public var operatingSystem = ""
    public var osVersion = ""
    /// As uname(1) writes it: `x86_64`, `aarch64`.
    public var architecture = ""
    public var cpus = 0
    public var memoryBytes: Int64 = 0
    public var hostname = ""
    /// 1 or 2.
    public var cgroupVersion = 2
    /// A stable identifier of this engine.
    public var id = ""
    public var systemTime = Timestamp.epoch
}

/// What the engine's objects take on disk (Engine API: SystemDataUsage).
public struct DiskUsage: Sendable {
    public var layersBytes: Int64
    public var containers: [(record: ContainerRecord, size: ContainerSize)]
    public var volumes: [(record: VolumeRecord, usage: VolumeUsage)]
}

extension Engine {
    public func information() async throws -> HostInformation {
        var result = HostInformation()
        for record in records.values {
            result.containers += 1
            switch record.state.status {
            case .running, .restarting: result.running += 1
            case .paused: result.paused += 1
            default: result.stopped += 1
            }
        }
        result.images = images.images().count
        var name = utsname()
        uname(&name)
        result.kernelVersion = withUnsafeBytes(of: &name.release) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        result.architecture = withUnsafeBytes(of: &name.machine) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        let release = Self.osRelease((try? Files.text("/etc/os-release")) ?? "")
        result.operatingSystem = release["PRETTY_NAME"] ?? "Linux"
        result.osVersion = release["VERSION_ID"] ?? ""
        result.cpus = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        result.memoryBytes = Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE)))
        result.hostname = configuration.hostname
        result.cgroupVersion = try ControlGroups().isUnifiedOnly ? 2 : 1
        result.id = engineID
        result.systemTime = Clock.now()
        return result
    }

    /// os-release(5).
    static func osRelease(_ text: String) -> [String: String] {
        var result: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { continue }
            var value = parts[1]
            if value.hasPrefix("\""), value.hasSuffix("\""), value.count > 1 { value = value.dropFirst().dropLast() }
            result[String(parts[0])] = String(value)
        }
        return result
    }

    public func diskUsage() async throws -> DiskUsage {
        let records = containers()
        let volumes = volumes()
        let paths = records.map { self.paths(of: $0.id).upper }
        let mountpoints = volumes.map { mountpoint(of: $0.name) }
        let layers = configuration.dataDirectory + "/images/layers"
        let (uppers, sizes, layersBytes) = await bulk.run {
            (paths.map { TreeSize.bytes($0) }, mountpoints.map { TreeSize.bytes($0) }, TreeSize.bytes(layers))
        }
        return DiskUsage(
            layersBytes: layersBytes,
            containers: zip(records, uppers).map { record, size in
                let image = Digest(parsing: record.imageID).flatMap { try? images.image($0.description) }?.size ?? 0
                return (record, ContainerSize(writable: size, total: size + image))
            },
            volumes: zip(volumes, sizes).map {
                ($0, VolumeUsage(bytes: $1, containers: users(ofVolume: $0.name).count))
            })
    }

    /// The container's processes as ps(1) shows them: titles, and a row of as many words for each.
    public func top(_ reference: String, arguments: String = "-ef") async throws -> (
        titles: [String], processes: [[String]]
    ) {
        let record = try record(reference)
        guard record.state.isRunning else {
            throw EngineError(.conflict, "container \(record.id) is not running")
        }
        let pids = Set(try await runtime.processes(record.id))
        let words = arguments.split(separator: " ").map(String.init)
        guard let program = ["/bin/ps", "/usr/bin/ps"].first(where: Files.exists) else {
            throw EngineError(.notImplemented, "ps is not installed on this host: install the package procps")
        }
        let result = try await bulk.run {
            try CapturedProcess.run(
                program, ["ps"] + words, environment: ["PATH=/usr/bin:/bin", "LC_ALL=C"], within: .seconds(10))
        }
        guard result.code == 0 else {
            throw EngineError(
                .internalError, "ps: " + String(decoding: result.errors, as: UTF8.self).prefix { $0 != "\n" })
        }
        return try Self.filter(String(decoding: result.output, as: UTF8.self), pids)
    }

    /// The rows of ps's output whose PID is one of `pids`.
    static func filter(_ output: String, _ pids: Set<pid_t>) throws(EngineError) -> (
        titles: [String], processes: [[String]]
    ) {
        let lines = output.split(separator: "\n")
        let titles = (lines.first ?? "").split(separator: " ").map(String.init)
        guard let column = titles.firstIndex(of: "PID") else {
            throw EngineError(.internalError, "Couldn't find PID field in ps output")
        }
        let rows = lines.dropFirst().compactMap { line -> [String]? in
            // The last column, the command, may hold blanks.
            let fields = line.split(separator: " ", maxSplits: titles.count - 1).map(String.init)
            guard fields.count > column, let pid = pid_t(fields[column]), pids.contains(pid) else { return nil }
            return fields
        }
        return (titles, rows)
    }
}
