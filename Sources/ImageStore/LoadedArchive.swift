import Archive
import LinuxSystem
import OCI
import Values

/// The files of an archive of images, in the store's staging directory: the archive is a stream and what explains it
/// may come last.
final class LoadedArchive {
    /// The most files in an archive of images.
    static let maximumFiles = 65_536

    private var files: [ArchivePath: StagedFile] = [:]
    /// Symbolic links, which older archives use for layers that several images share.
    private var links: [ArchivePath: ArchivePath] = [:]

    /// Reads the whole archive, plain or compressed. Names that lead out of it are refused.
    init(_ descriptor: Int32, stagingPath: () -> String) throws {
        do {
            let limits = ArchiveLimits(entries: Self.maximumFiles)
            let input = try DecompressedInput(descriptor, compressions: ArchiveCompression.allCases, limits: limits)
            let reader = try TarReader(input, limits: limits)
            while let entry = try reader.next() { try add(entry, reader, stagingPath) }
        } catch let error as ArchiveError {
            throw ImageStoreError(error, "invalid archive")
        }
    }

    private func add(_ entry: ArchiveEntry, _ reader: TarReader, _ stagingPath: () -> String) throws {
        let path = try ArchivePath(entry.path)
        switch entry.kind {
        case .directory: break
        case .file:
            let file = try StagedFile(path: stagingPath(), limit: ImageTransfer.maximumBlobBytes)
            var written: Int64 = 0
            try reader.readData { (bytes, offset) throws(ArchiveError) in
                guard offset == written else {
                    throw ArchiveError(.corrupted, "a sparse file", path: path.description)
                }
                written += Int64(bytes.count)
                do { try file.append(bytes) } catch {
                    throw ArchiveError(.system, "\(error)", path: path.description)
                }
            }
            guard written == entry.size else {
                throw ArchiveError(.corrupted, "shorter than its size", path: path.description)
            }
            file.seal()
            links[path] = nil
            files[path] = file
        case .hardLink(let target):
            guard let file = files[try ArchivePath(target)] else {
                throw ArchiveError(.corrupted, "a hard link that leads nowhere", path: path.description)
            }
            files[path] = file
        case .symbolicLink(let target):
            guard let target = path.resolving(link: target) else {
                throw ArchiveError(.escape, "a link that leads out of the archive", path: path.description)
            }
            links[path] = target
        default:
            throw ArchiveError(.corrupted, "a device has no place in it", path: path.description)
        }
    }

    /// The file at a path; nil where there is none.
    func file(_ text: String) throws(ImageStoreError) -> StagedFile? {
        var path: ArchivePath
        do { path = try ArchivePath(text) } catch { throw ImageStoreError(error, "invalid archive") }
        for _ in 0..<8 {
            guard let target = links[path] else { break }
            path = target
        }
        return files[path]
    }

    /// The bytes of a small file.
    func bytes(_ text: String, limit: Int) throws -> [UInt8]? {
        guard let file = try file(text) else { return nil }
        guard file.content.size <= limit else {
            throw ImageStoreError(.invalidParameter, "invalid archive: \(text) is longer than \(limit) bytes")
        }
        return try Files.read(file.path, limit: limit)
    }

    /// The file of a blob, whose digest is checked; nil where there is none.
    func blob(_ digest: Digest) throws(ImageStoreError) -> StagedFile? {
        guard let file = try file(ImageLayout.path(of: digest)) else { return nil }
        let found = file.content.digest
        guard found == digest else {
            throw ImageStoreError(.corrupted, "invalid archive: blob \(digest) has the digest \(found)")
        }
        return file
    }
}
