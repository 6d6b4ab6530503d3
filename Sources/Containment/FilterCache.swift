import CSeccomp
import Glibc
import JSON
import LinuxSystem
import RuntimeSpec
import Seccomp

/// Compiled seccomp filters, in memory and in a directory that the host's shims share: libseccomp takes 15 ms for
/// Docker's default, more than all the rest of a container's start.
public struct FilterCache {
    /// Where filters are kept; nil keeps none.
    let directory: String?
    private var known: [[UInt8]: SeccompFilter] = [:]

    /// Filters in the directory at most; when there are more, all go.
    private static let limit = 64

    public init(directory: String?) { self.directory = directory }

    /// What stands for a filter, and how to come by what is to be compiled where it is not known.
    public mutating func filter(
        of key: some Encodable, _ configuration: @autoclosure () -> SeccompConfiguration
    ) throws -> SeccompFilter {
        let name = try Self.name(key)
        if let filter = known[name] { return filter }
        let filter: SeccompFilter
        if let stored = load(name) {
            filter = stored
        } else {
            filter = try SeccompFilter(compiling: configuration())
            store(name, filter)
        }
        known[name] = filter
        return filter
    }

    /// All that a filter depends on: the choice, this program's file and libseccomp.
    private static func name(_ key: some Encodable) throws -> [UInt8] {
        var program = stat()
        guard stat("/proc/self/exe", &program) == 0 else { throw SystemError("stat", "/proc/self/exe", errno: errno) }
        let build = "\(program.st_size) \(program.st_mtim.tv_sec).\(program.st_mtim.tv_nsec)"
        let library = seccomp_version().map { "\($0.pointee.major).\($0.pointee.minor).\($0.pointee.micro)" } ?? ""
        return try JSONCoding.encode(key) + Array(" \(build) \(library)\n".utf8)
    }

    /// FNV-1a, which tells files apart and torn ones from whole ones; strangers are kept out by the directory's mode.
    private static func hash(_ bytes: some Sequence<UInt8>, from start: UInt64 = 0xcbf2_9ce4_8422_2325) -> UInt64 {
        bytes.reduce(start) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    /// A file is named by a hash of the filter's name. It holds that name, the filter and a hash of both.
    private static func file(_ name: [UInt8]) -> String { String(hash(name), radix: 16) }

    private static func sum(_ name: [UInt8], _ filter: some Sequence<UInt8>) -> [UInt8] {
        let hash = hash(filter, from: hash(name))
        return (0..<8).map { UInt8(truncatingIfNeeded: hash >> ($0 * 8)) }
    }

    private func load(_ name: [UInt8]) -> SeccompFilter? {
        guard let directory, let place = try? Self.opened(directory),
            let file = try? Descriptor.open(Self.file(name), beneath: place.rawValue, O_RDONLY | O_NOFOLLOW),
            let bytes = try? Bytes.readToEnd(file.rawValue, limit: name.count + SeccompFilter.byteLimit + 8),
            bytes.count > name.count + 8, bytes.starts(with: name)
        else { return nil }
        let filter = bytes[name.count..<bytes.count - 8]
        return Self.sum(name, filter) == bytes.suffix(8) ? SeccompFilter(bytes: Array(filter)) : nil
    }

    private func store(_ name: [UInt8], _ filter: SeccompFilter) {
        guard let directory else { return }
        do {
            try Files.makeDirectories(directory, mode: 0o700)
            let place = try Self.opened(directory)
            let present = try Files.list(inDirectory: place.rawValue)
            if present.count >= Self.limit { for file in present { unlinkat(place.rawValue, file, 0) } }
            // Numbers of processes are those of their namespaces, and this directory may be seen in several.
            let temporary = "\(getpid())-\(Clock.sinceBoot()).tmp"
            let file = try Descriptor.open(
                temporary, beneath: place.rawValue, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
            do {
                try Bytes.writeAll(file.rawValue, name + filter.bytes + Self.sum(name, filter.bytes))
                try syscall("rename") { renameat(place.rawValue, temporary, place.rawValue, Self.file(name)) }
            } catch {
                unlinkat(place.rawValue, temporary, 0)
                throw error
            }
        } catch {
            // The next container compiles again.
        }
    }

    /// The directory, which has to be this user's, and writable for nobody else.
    private static func opened(_ directory: String) throws(SystemError) -> Descriptor {
        let place = try Descriptor.open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var information = stat()
        try syscall("stat", on: directory) { fstat(place.rawValue, &information) }
        guard information.st_uid == geteuid(), information.st_mode & 0o022 == 0 else {
            throw SystemError("use", directory, errno: EPERM)
        }
        return place
    }
}
