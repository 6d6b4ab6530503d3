import EngineModel
import LinuxSystem
import Values

extension Engine {
    /// What a container's paths stand for, and the volumes made for it.
    struct ResolvedMounts {
        var mounts: [MountPoint] = []
        var newVolumes: [String] = []
    }

    /// Resolves binds, mounts, tmpfs, volumes of other containers and of the image; makes volumes and fills new ones
    /// with what the image has at their path.
    func mounts(of record: ContainerRecord) async throws -> ResolvedMounts {
        var result = ResolvedMounts()
        do {
            try await collect(record, into: &result)
        } catch {
            for volume in result.newVolumes { try? await removeVolume(volume, force: true) }
            throw error
        }
        return result
    }

    private func collect(_ record: ContainerRecord, into result: inout ResolvedMounts) async throws {
        var byTarget: [String: MountPoint] = [:]
        func add(_ mount: MountPoint) throws {
            guard byTarget[mount.destination] == nil else {
                throw EngineError(.invalidParameter, "Duplicate mount point: \(mount.destination)")
            }
            byTarget[mount.destination] = mount
        }
        for text in record.host.binds ?? [] {
            let bind = try BindSpecification(parsing: text)
            if bind.isHostPath {
                let source = PathText.clean(bind.source!)
                // Docker's -v makes what is not there; --mount does not.
                try await files.run { if !Files.exists(source) { try Files.makeDirectories(source) } }
                try add(
                    MountPoint(
                        type: .bind, source: source, destination: bind.target, mode: bind.mode,
                        isReadOnly: bind.isReadOnly, propagation: bind.propagation))
            } else {
                try add(
                    try await volumeMount(
                        bind.source ?? "", target: bind.target, isReadOnly: bind.isReadOnly, mode: bind.mode,
                        noCopy: bind.noCopy, record: record, newVolumes: &result.newVolumes))
            }
        }
        for mount in record.host.mounts ?? [] {
            try add(try await resolve(mount, record, &result.newVolumes))
        }
        for (target, options) in (record.host.tmpfs ?? [:]).sorted(by: { $0.key < $1.key }) {
            try add(
                MountPoint(
                    type: .tmpfs, source: "", destination: PathText.clean(target), tmpfsOptions: options))
        }
        for text in record.host.volumesFrom ?? [] {
            let parts = text.split(separator: ":", maxSplits: 1)
            let other = try self.record(String(parts.first ?? ""))
            for mount in other.mounts where mount.type != .tmpfs && byTarget[mount.destination] == nil {
                var copy = mount
                if parts.count > 1, parts[1] == "ro" { copy.rw = false }
                byTarget[mount.destination] = copy
            }
        }
        for target in (record.configuration.volumes ?? [:]).keys.sorted() {
            let target = PathText.clean(target)
            guard byTarget[target] == nil else { continue }
            try add(
                try await volumeMount(
                    "", target: target, isReadOnly: false, mode: "", noCopy: false, record: record,
                    newVolumes: &result.newVolumes))
        }
        result.mounts = byTarget.values.sorted { $0.destination < $1.destination }
    }

    /// One entry of `HostConfig.Mounts`.
    private func resolve(
        _ mount: MountSpecification, _ record: ContainerRecord, _ newVolumes: inout [String]
    ) async throws -> MountPoint {
        func invalid(_ reason: String) -> EngineError {
            EngineError(.invalidParameter, "invalid mount config for type \"\(mount.type.rawValue)\": \(reason)")
        }
        let target = PathText.clean(mount.target)
        guard mount.target.hasPrefix("/") else {
            throw invalid("invalid mount path: '\(mount.target)' mount path must be absolute")
        }
        guard target != "/" else { throw invalid("invalid specification: destination can't be '/'") }
        switch mount.type {
        case .bind:
            guard mount.source.hasPrefix("/") else {
                throw invalid("invalid mount path: '\(mount.source)' mount path must be absolute")
            }
            let source = PathText.clean(mount.source)
            let makes = mount.bindOptions?.createMountpoint == true
            let exists = try await files.run {
                if !Files.exists(source), makes { try Files.makeDirectories(source) }
                return Files.exists(source)
            }
            guard exists else { throw invalid("bind source path does not exist: \(mount.source)") }
            return MountPoint(
                type: .bind, source: source, destination: target,
                mode: mount.bindOptions?.nonRecursive == true ? "norecurse" : "", isReadOnly: mount.readOnly,
                propagation: mount.bindOptions?.propagation ?? "rprivate")
        case .volume:
            let driver = mount.volumeOptions?.driverConfig
            if let subpath = mount.volumeOptions?.subpath, !subpath.isEmpty {
                throw EngineError(.notImplemented, "volume subpaths are not supported yet: mount the whole volume")
            }
            return try await volumeMount(
                mount.source, target: target, isReadOnly: mount.readOnly, mode: "z",
                noCopy: mount.volumeOptions?.noCopy ?? false, record: record,
                driver: driver.map { ($0.name.isEmpty ? "local" : $0.name, $0.options) },
                labels: mount.volumeOptions?.labels ?? [:], newVolumes: &newVolumes)
        case .tmpfs:
            guard mount.source.isEmpty else { throw invalid("Source must not be specified") }
            var options: [String] = []
            if let size = mount.tmpfsOptions?.sizeBytes, size > 0 { options.append("size=\(size)") }
            if let mode = mount.tmpfsOptions?.mode, mode > 0 { options.append("mode=" + String(mode, radix: 8)) }
            return MountPoint(
                type: .tmpfs, source: "", destination: target, isReadOnly: mount.readOnly,
                tmpfsOptions: options.joined(separator: ","))
        }
    }

    /// A volume at a path; an empty name makes an anonymous one.
    private func volumeMount(
        _ name: String, target: String, isReadOnly: Bool, mode: String, noCopy: Bool, record: ContainerRecord,
        driver: (name: String, options: [String: String])? = nil, labels: [String: String] = [:],
        newVolumes: inout [String]
    ) async throws -> MountPoint {
        let isNew = name.isEmpty || volumeStore.volumes[name] == nil
        let volume = try await createVolume(
            name: name, driver: driver?.name ?? "local", options: driver?.options ?? [:], labels: labels)
        if isNew { newVolumes.append(volume.name) }
        let path = mountpoint(of: volume.name)
        if !noCopy, !record.layers.isEmpty {
            let layers = record.layers
            let scratch = "\(configuration.dataDirectory)/tmp/copy-\(record.id)"
            try await bulk.run {
                try VolumeFiller(layers: layers, target: target, volume: path, scratch: scratch).fill()
            }
        }
        return MountPoint(
            type: .volume, name: volume.name, source: path, destination: target, mode: mode, isReadOnly: isReadOnly,
            isAnonymous: name.isEmpty)
    }
}
