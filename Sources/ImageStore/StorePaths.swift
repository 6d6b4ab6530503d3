import LinuxSystem
import Values

/// Where things lie in a store's directory.
struct StorePaths: Sendable {
    let directory: String

    var catalog: String { directory + "/images.json" }
    var lock: String { directory + "/lock" }
    var blobs: String { directory + "/blobs/sha256" }
    var layers: String { directory + "/layers" }
    /// What is not whole yet, and what is being removed; emptied at start.
    var staging: String { directory + "/staging" }
    /// The lower directory of images without layers.
    var empty: String { directory + "/empty" }

    func blob(_ digest: Digest) -> String { blobs + "/" + digest.hex }
    func layer(_ chain: Digest) -> String { layers + "/" + chain.hex }
    func content(_ chain: Digest) -> String { layer(chain) + "/diff" }
    func layerInformation(_ chain: Digest) -> String { layer(chain) + "/layer.json" }

    /// The chain identifier of a lower directory.
    func chain(ofLowerDirectory path: String) -> Digest? {
        guard path.hasPrefix(layers + "/"), path.hasSuffix("/diff") else { return nil }
        return Digest(hex: path.dropFirst(layers.utf8.count + 1).dropLast(5))
    }
}

/// What is kept beside an unpacked layer.
struct LayerInformation: Codable, Sendable {
    var diffID: Digest
    /// The blob that it was unpacked from.
    var blob: Digest
    /// The bytes of its files.
    var fileBytes: Int64
    /// The length of its uncompressed archive.
    var archiveBytes: Int64
}
