import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

@testable import ContainerShim

/// The log where its files cannot be what they should.
struct ContainerLogTests {
    private static func take(_ text: String, by log: ContainerLog) {
        var text = text
        text.withUTF8 { log.take(ShimFrame.output, UnsafeRawBufferPointer($0)) }
    }

    /// The messages of a file, each line of which has to be whole.
    private static func messages(_ path: String) throws -> [String] {
        let bytes = try Files.read(path)
        #expect(bytes.isEmpty || bytes.last == 0x0a)
        return try bytes.split(separator: 0x0a).map { try #require(JSONValue(parsing: Array($0))["log"]?.string) }
    }

    @Test func itGoesOnWhereFilesCannotBeRenamed() throws {
        let directory = try TemporaryDirectory("log")
        let path = directory.path("log.json")
        try Files.makeDirectories(path + ".1")
        let log = try ContainerLog(LogSettings(path: path, maximumBytes: 1000, maximumFiles: 2))
        for number in 1...100 { Self.take("line \(number)\n", by: log) }
        log.finish()
        let messages = try Self.messages(path)
        #expect(messages.last == "line 100\n")
        #expect(try Files.read(path).count <= 1000)
        #expect(try Files.list(path + ".1").isEmpty)
    }

    @Test(.enabled(if: TestEnvironment.isRoot, "mounts a file system"))
    func aFullDiskLeavesWholeLines() throws {
        let directory = try TemporaryDirectory("full")
        let disk = directory.path("disk")
        try Files.makeDirectories(disk)
        try Mounts.mount("tmpfs", on: disk, type: "tmpfs", flags: 0, data: "size=64k")
        let log = try ContainerLog(LogSettings(path: disk + "/log.json"))
        let long = String(repeating: "x", count: 5000)
        for number in 0..<5 { Self.take("\(number)\(long)\n", by: log) }
        // Of several lines at once those that fit are there.
        Self.take((5..<20).map { "\($0)\(long)\n" }.joined(), by: log)
        let lost = try Self.messages(disk + "/log.json").count
        #expect((6..<20).contains(lost))
        #expect(truncate(disk + "/log.json", 0) == 0)
        Self.take("again\n", by: log)
        log.finish()
        #expect(try Self.messages(disk + "/log.json") == ["again\n"])
    }
}
