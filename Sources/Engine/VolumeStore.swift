import EngineModel
import Values

/// Named volumes: directories that outlive containers.
struct VolumeStore {
    let directory: String
    var volumes: [String: VolumeRecord] = [:]

    init(directory: String, volumes: [VolumeRecord]) {
        self.directory = directory
        for volume in volumes { self.volumes[volume.name] = volume }
    }

    func path(of name: String) -> String { "\(directory)/\(name)/_data" }

    /// The volume of that name; nil where it may be made.
    func existing(_ wanted: VolumeRecord) throws(EngineError) -> VolumeRecord? {
        if let volume = volumes[wanted.name] {
            guard wanted.driver == volume.driver else {
                throw EngineError(
                    .conflict,
                    "A volume named \(wanted.name) already exists with the \(volume.driver) driver. "
                        + "Choose a different volume name.")
            }
            return volume
        }
        guard ContainerNames.isValid(wanted.name) else {
            throw EngineError(
                .invalidParameter,
                "create \(wanted.name): \"\(wanted.name)\" includes invalid characters for a local volume name, only "
                    + "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use "
                    + "absolute "
                    + "path")
        }
        guard wanted.driver == "local" else {
            throw EngineError(
                .notFound, "error looking up volume plugin \(wanted.driver): plugin \"\(wanted.driver)\" not found")
        }
        return nil
    }
}
