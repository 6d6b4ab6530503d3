import Glibc
import LinuxSystem

/// Sees who opens files, by whatever path (inotify(7): IN_OPEN).
final class OpenWatch {
    private let descriptor: Descriptor
    private var paths: [Int32: String] = [:]

    init(_ files: [String]) throws {
        descriptor = Descriptor(owning: try syscall("inotify_init") { inotify_init() })
        for file in files {
            let number = try syscall("inotify_add_watch", on: file) {
                inotify_add_watch(descriptor.rawValue, file, UInt32(IN_OPEN))
            }
            paths[number] = file
        }
        _ = fcntl(descriptor.rawValue, F_SETFL, O_NONBLOCK)
    }

    /// The files that were opened since the last call.
    func opened() throws -> Set<String> {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let length = read(descriptor.rawValue, &buffer, buffer.count)
        if length < 0 {
            guard errno == EAGAIN else { throw SystemError("read", "inotify", errno: errno) }
            return []
        }
        // An event of a file has no name: number, mask, cookie and length, four bytes each.
        return Set(
            stride(from: 0, to: length, by: 16).compactMap { offset in
                paths[buffer[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | Int32($1) }]
            })
    }
}
