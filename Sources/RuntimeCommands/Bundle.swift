import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeSpec

/// A directory with a `config.json` (bundle.md).
struct Bundle {
    let path: String
    /// `config.json` as it is, and what it says.
    let text: [UInt8]
    let configuration: RuntimeConfiguration
    /// The container's root, absolute.
    let root: String

    /// The longest `config.json` that is read, in bytes.
    private static let limit = 16 << 20

    init(_ given: String) throws {
        do {
            path = try Files.realPath(given)
        } catch {
            throw SetupError("bundle \(given): \(describe(error.errno))")
        }
        let file = path + "/config.json"
        do {
            text = try Files.read(file, limit: Self.limit)
        } catch {
            throw SetupError("\(file): \(describe(error.errno))")
        }
        do {
            configuration = try RuntimeConfiguration.parse(text)
        } catch {
            throw SetupError("config.json: \(error)")
        }
        guard configuration.process != nil else { throw SetupError("config.json: missing \"process\"") }
        let given = configuration.root?.path ?? ""
        let place = given.hasPrefix("/") ? given : path + "/" + given
        guard Files.isDirectory(place) else { throw SetupError("config.json: root.path: \(place) is no directory") }
        root = try Files.realPath(place)
        guard root != "/" else { throw SetupError("config.json: root.path: the host's own root is no container's") }
    }
}
