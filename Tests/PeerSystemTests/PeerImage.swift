import JSON
import LinuxSystem
import TestSupport

/// The image that every engine has: busybox with all its names, a user bob and a file that cannot be run.
enum PeerImage {
    static let name = "box:1"

    /// Writes it as a docker-archive (Docker Image Specification 1.2).
    ///
    /// - Returns: the archive's path.
    static func write(into directory: TemporaryDirectory) throws -> String {
        let busybox = try Files.read(TestEnvironment.command("busybox") ?? "busybox")
        for name in ["bin", "proc", "sys", "dev", "root", "tmp"] {
            try Files.makeDirectories(directory.path("image/root/" + name))
        }
        try Files.write(directory.path("image/root/bin/busybox"), busybox, mode: 0o755)
        for name in try run(["busybox", "--list"], "/").split(separator: "\n") where name != "busybox" {
            try run(["ln", "-s", "busybox", "bin/\(name)"], directory.path("image/root"))
        }
        try directory.write("image/root/etc/passwd", "root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/tmp:/bin/sh\n")
        try directory.write("image/root/etc/group", "root:x:0:\nbob:x:1000:\nstaff:x:50:bob\n")
        let work = directory.path("image")
        try run(["tar", "-C", "root", "--owner=0", "--group=0", "-cf", "layer.tar", "."], work)
        let digest = try run(["sha256sum", "layer.tar"], work).prefix(64)
        let configuration: JSONValue = [
            "architecture": .string(try run(["dpkg", "--print-architecture"], work)), "os": "linux",
            "config": ["Env": ["PATH=/bin"], "Cmd": ["sh"]],
            "rootfs": ["type": "layers", "diff_ids": [.string("sha256:" + digest)]],
            "history": [["created": "1970-01-01T00:00:00Z", "created_by": "busybox"]],
        ]
        try Files.write(work + "/configuration.json", configuration.serialized())
        let manifest: JSONValue = [
            ["Config": "configuration.json", "RepoTags": [.string(name)], "Layers": ["layer.tar"]]
        ]
        try Files.write(work + "/manifest.json", manifest.serialized())
        try run(["tar", "-cf", "../image.tar", "manifest.json", "configuration.json", "layer.tar"], work)
        return directory.path("image.tar")
    }

    @discardableResult
    private static func run(_ arguments: [String], _ directory: String) throws -> String {
        let done = try Command.runBlocking(["env", "-C", directory] + arguments)
        guard done.succeeded else { throw PeerFailure(command: arguments, done) }
        return done.output.trimmed
    }
}
