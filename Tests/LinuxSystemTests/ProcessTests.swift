import CLinux
import Glibc
import LinuxSystem
import Testing

@Suite struct ProcessTests {
    private func run(_ script: String) throws -> Int32 {
        let null = try Descriptor.open("/dev/null", O_RDWR)
        let pid = try ChildProcess.spawn(
            "/bin/sh", ["sh", "-c", script], environment: ["A=b"],
            descriptors: [null.rawValue, null.rawValue, null.rawValue])
        return try ChildProcess.wait(pid)
    }

    @Test func exitCodesAndSignals() throws {
        #expect(try run("exit 7") == 7)
        #expect(try run("kill -TERM $$") == 143)
        #expect(try run("test \"$A\" = b") == 0)
    }

    @Test func aProgramThatIsNotThere() {
        #expect(throws: SystemError.self) {
            _ = try ChildProcess.spawn("/nope", ["nope"], environment: [], descriptors: [])
        }
    }

    @Test func aChildGetsItsDescriptorsAlone() throws {
        let (reading, writing) = try Descriptor.pipe()
        defer { close(reading) }
        let null = try Descriptor.open("/dev/null", O_RDWR)
        let pid = try ChildProcess.spawn(
            "/bin/ls", ["ls", "/proc/self/fd"], environment: [],
            descriptors: [null.rawValue, writing, null.rawValue])
        close(writing)
        let output = String(decoding: try Bytes.readToEnd(reading, limit: 1000), as: UTF8.self)
        #expect(try ChildProcess.wait(pid) == 0)
        // 3 is ls's own, open on the directory.
        #expect(output.split(separator: "\n") == ["0", "1", "2", "3"])
    }

    @Test func socketsCarryDescriptors() throws {
        let (left, right) = try UnixSocket.pair()
        defer {
            close(left)
            close(right)
        }
        let (reading, writing) = try Descriptor.pipe()
        try UnixSocket.send(left, [1, 2, 3], descriptors: [reading])
        close(reading)
        let (bytes, descriptors) = try UnixSocket.receive(right, upTo: 100)
        #expect(bytes == [1, 2, 3])
        let received = try #require(descriptors.first)
        try Bytes.writeAll(writing, [42])
        close(writing)
        #expect(try Bytes.readToEnd(received, limit: 10) == [42])
        #expect(fcntl(received, F_GETFD) & FD_CLOEXEC != 0)
        close(received)
    }

    /// sun_path holds 107 bytes (unix(7)).
    @Test func socketsWithLongPaths() throws {
        let directory = "/tmp/martlet-socket-\(getpid())-" + String(repeating: "x", count: 120)
        try Files.makeDirectories(directory)
        defer { try? Files.removeTree(directory) }
        let listener = try UnixSocket.listen(directory + "/s", mode: 0o600)
        let client = try UnixSocket.connect(directory + "/s")
        let server = try UnixSocket.accept(listener.rawValue)
        try Bytes.writeAll(client.rawValue, [7])
        #expect(try Bytes.read(server.rawValue, upTo: 10) == [7])
    }

    @Test(.enabled(if: geteuid() == 0, "needs root")) func networkNamespaces() throws {
        let path = "/tmp/martlet-netns-\(getpid())"
        try NetworkNamespace.create(at: path)
        defer { try? NetworkNamespace.remove(path) }
        let inside = try NetworkNamespace.run(at: path) { try Files.text("/proc/thread-self/net/dev") }
        // The namespace has its loopback device and nothing else.
        #expect(inside.split(separator: "\n").count == 3)
        try NetworkNamespace.remove(path)
        #expect(!Files.exists(path))
    }
}
