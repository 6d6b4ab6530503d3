import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// Shims by their sockets, without a daemon between.
extension ContainerFixture {
    /// A connection that has sent a request.
    func ask(_ id: String, _ request: ShimRequest) throws -> Descriptor {
        let connection = try UnixSocket.connect(directory.path("run/containers/\(id)/\(ShimFiles.socket)"))
        try Bytes.writeAll(connection.rawValue, JSONCoding.encode(request) + [0x0a])
        return connection
    }

    /// The line that comes on a connection; what follows it stays there.
    static func answer(_ connection: borrowing Descriptor) throws -> ShimAnswer {
        var text: [UInt8] = []
        while text.last != 0x0a {
            try #require(isReadable(connection.rawValue, within: 10_000), "no answer")
            let piece = try Bytes.read(connection.rawValue, upTo: 1)
            try #require(!piece.isEmpty, "the connection ended")
            text += piece
        }
        return try JSONCoding.decode(ShimAnswer.self, from: text.dropLast())
    }

    func answer(_ id: String, _ request: ShimRequest) throws -> ShimAnswer { try Self.answer(ask(id, request)) }

    static func isReadable(_ connection: Int32, within milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }

    /// Makes a container by a shim that no daemon watches.
    func createAlone(_ specification: ContainerSpecification) throws {
        #expect(try launchAlone(specification).error == nil)
    }

    /// What a shim reports that no daemon watches.
    func launchAlone(_ specification: ContainerSpecification, environment: [String] = []) throws -> ShimAnswer {
        let (data, run) = (
            directory.path("data/containers/\(specification.id)"), directory.path("run/containers/\(specification.id)")
        )
        for path in [data, run] { try Files.makeDirectories(path) }
        try Files.write(data + "/" + ShimFiles.specification, JSONCoding.encode(specification), mode: 0o600)
        let program = try #require(TestEnvironment.program("martlet-runtime"))
        let null = try Descriptor.open("/dev/null", O_RDWR)
        let (reading, writing) = try Descriptor.pipe()
        let report = Descriptor(owning: reading)
        let end = Descriptor(owning: writing)
        let child = try ChildProcess.spawn(
            program, ["martlet-runtime", "shim", "--data", data, "--run", run], environment: environment,
            descriptors: [null.rawValue, null.rawValue, null.rawValue, end.rawValue])
        _ = try ChildProcess.wait(child)
        return try Self.answer(report)
    }
}
