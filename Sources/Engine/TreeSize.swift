import Glibc
import LinuxSystem

/// What a directory takes.
enum TreeSize {
    /// The sizes of all files below `path`, a file with several names once for each; 0 where nothing is.
    static func bytes(_ path: String) -> Int64 {
        var information = stat()
        guard lstat(path, &information) == 0 else { return 0 }
        guard information.st_mode & S_IFMT == S_IFDIR else { return Int64(information.st_size) }
        guard let names = try? Files.list(path) else { return 0 }
        return names.reduce(0) { $0 + bytes(path + "/" + $1) }
    }
}
