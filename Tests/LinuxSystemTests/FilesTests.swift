import Glibc
import LinuxSystem
import Testing

@Suite struct FilesTests {
    let directory: String

    init() throws {
        var template = Array("/tmp/martlet-files-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", errno: errno) }
        directory = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    private func cleanUp() { try? Files.removeTree(directory) }

    @Test func durableWritesReplaceTheWhole() throws {
        defer { cleanUp() }
        let path = directory + "/record"
        try Files.writeDurably(path, Array("first version".utf8))
        try Files.writeDurably(path, Array("second".utf8), mode: 0o600)
        #expect(try Files.text(path) == "second")
        #expect(try Files.list(directory) == ["record"])
        var information = stat()
        #expect(stat(path, &information) == 0 && information.st_mode & 0o777 == 0o600)
    }

    @Test func readingIsBounded() throws {
        defer { cleanUp() }
        try Files.write(directory + "/big", [UInt8](repeating: 1, count: 2000))
        #expect(throws: SystemError.self) { try Files.read(directory + "/big", limit: 1999) }
        #expect(try Files.read(directory + "/big", limit: 2000).count == 2000)
    }

    @Test func removingDoesNotFollowLinks() throws {
        defer { cleanUp() }
        try Files.makeDirectories(directory + "/kept")
        try Files.write(directory + "/kept/file", "x")
        try Files.makeDirectories(directory + "/tree/a/b")
        symlink(directory + "/kept", directory + "/tree/a/link")
        symlink("/nowhere", directory + "/tree/dangling")
        try Files.removeTree(directory + "/tree")
        try Files.removeTree(directory + "/tree")
        #expect(!Files.exists(directory + "/tree"))
        #expect(try Files.text(directory + "/kept/file") == "x")
    }

    /// openat2(2), RESOLVE_BENEATH.
    @Test func nothingLeadsOutOfADirectory() throws {
        defer { cleanUp() }
        try Files.makeDirectories(directory + "/inside/deep")
        try Files.write(directory + "/outside", "secret")
        try Files.write(directory + "/inside/file", "fine")
        symlink("../outside", directory + "/inside/up")
        symlink("/etc/passwd", directory + "/inside/absolute")
        symlink("file", directory + "/inside/near")
        let inside = try Descriptor.open(directory + "/inside", O_RDONLY | O_DIRECTORY)
        for path in ["up", "absolute", "../outside", "deep/../../outside", "/etc/passwd"] {
            #expect(throws: SystemError.self) { _ = try Descriptor.open(path, beneath: inside.rawValue, O_RDONLY) }
        }
        let near = try Descriptor.open("near", beneath: inside.rawValue, O_RDONLY)
        #expect(try Bytes.readToEnd(near.rawValue, limit: 10) == Array("fine".utf8))
    }
}
