import Glibc
import LinuxSystem
import Testing

/// openat2(2): EAGAIN.
@Suite struct ResolutionTests {
    /// The kernel cannot say where `..` leads while anything on the machine is renamed or mounted.
    @Test func renamesElsewhereDoNotDisturb() throws {
        var template = Array("/tmp/martlet-resolution-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", errno: errno) }
        let directory = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        defer { try? Files.removeTree(directory) }
        try Files.makeDirectories(directory + "/root/a")
        try Files.write(directory + "/moving", "")
        let renaming = Task.detached {
            while !Task.isCancelled {
                rename(directory + "/moving", directory + "/moved")
                rename(directory + "/moved", directory + "/moving")
            }
        }
        defer { renaming.cancel() }
        let root = try Descriptor.open(directory + "/root", O_RDONLY | O_DIRECTORY)
        let path = String(repeating: "a/../", count: 20) + "a"
        for _ in 0..<5_000 {
            _ = try Descriptor.open(path, inRoot: root.rawValue, O_RDONLY)
            _ = try Descriptor.open(path, beneath: root.rawValue, O_RDONLY)
        }
    }
}
