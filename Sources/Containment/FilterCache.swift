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

    /// A file begins with the whole name, its own name is a hash of it (FNV-1a).
    private func path(_ name: [UInt8], in directory: String) -> String {
        let hash = name.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return directory + "/" + String(hash, radix: 16)
    }

    private func load(_ name: [UInt8]) -> SeccompFilter? {
        guard let directory, let bytes = try? Files.read(path(name, in: directory)), bytes.starts(with: name) else {
            return nil
        }
        return SeccompFilter(bytes: Array(bytes[name.count...]))
    }

    private func store(_ name: [UInt8], _ filter: SeccompFilter) {
        guard let directory else { return }
        do {
            try Files.makeDirectories(directory, mode: 0o700)
            let present = try Files.list(directory)
            if present.count >= Self.limit { for file in present { unlink(directory + "/" + file) } }
            let temporary = directory + "/\(getpid()).tmp"
            try Files.write(temporary, name + filter.bytes, mode: 0o600)
            rename(temporary, path(name, in: directory))
        } catch {
            // The next container compiles again.
        }
    }
}
