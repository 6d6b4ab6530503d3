import ClusterModel
import EngineModel
import Glibc
import LinuxSystem
import TestSupport
import Testing
import Values

@testable import ClusterManager

/// A manager on a file system that fills up.
@Suite(.serialized, .enabled(if: TestEnvironment.isRoot, "needs root")) struct FullDiskTests {
    private func put(_ name: String, on host: ControlHost) async throws {
        let config = ConfigObject(
            id: name, createdAt: .epoch, spec: PayloadSpec(name: name), data: String(repeating: "YWJj", count: 10_000))
        try await host.control.propose([.putConfig(config, expected: 0)])
    }

    @Test("a manager without room says so to its clients, and goes on when there is room")
    func fullDisk() async throws {
        let folder = try TemporaryDirectory("full")
        try syscall("mount", on: folder.path) { mount("none", folder.path, "tmpfs", 0, "size=24m") }
        defer { umount2(folder.path, Int32(MNT_DETACH)) }
        let host = try await ControlHost("alone", in: folder)
        try await host.initialise()
        try await put("before", on: host)
        #expect(host.control.membership.error == "")
        let filler = folder.path("filler")
        do {
            let file = try Descriptor.open(filler, O_WRONLY | O_CREAT, mode: 0o600)
            let zeros = [UInt8](repeating: 0, count: 4_096)
            while (try? Bytes.writeAll(file.rawValue, zeros)) != nil {}
        }
        var failure: EngineError?
        for number in 0..<500 {
            do { try await put("config-\(number)", on: host) } catch let error as EngineError {
                failure = error
                break
            }
        }
        #expect(failure?.kind == .unavailable)
        #expect(failure?.message.contains("the disk of this manager is full") == true, "\(failure?.message ?? "")")
        #expect(host.control.membership.error.contains("the disk of this manager is full"))
        #expect(host.control.membership.state == .active && host.control.membership.controlAvailable)
        try Files.removeTree(filler)
        try await waitUntil("it goes on", within: .seconds(30)) { host.isLeading }
        try await put("after", on: host)
        #expect(host.control.membership.error == "")
        #expect(host.state?.configs.named("before") != nil && host.state?.configs.named("after") != nil)
        await host.stop()
    }
}
