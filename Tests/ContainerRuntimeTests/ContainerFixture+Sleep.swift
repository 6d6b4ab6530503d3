import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// Shims that sleep.
extension ContainerFixture {
    func shim(_ id: String) throws -> pid_t {
        try JSONCoding.decode(
            ShimState.self, from: Files.read(directory.path("run/containers/\(id)/\(ShimFiles.state)"))
        ).shimPid
    }

    static func isAsleep(_ pid: pid_t) -> Bool {
        ((try? Files.text("/proc/\(pid)/cmdline")) ?? "").split(separator: "\0").contains("--asleep")
    }

    /// The shim's number, once it sleeps.
    @discardableResult
    func asleep(_ id: String) async throws -> pid_t {
        let pid = try shim(id)
        try await waitUntil("the shim of \(id) sleeps") { Self.isAsleep(pid) }
        return pid
    }

    /// Starts a container that does what `script` says when it gets SIGUSR1, without anything that passes the shim;
    /// returns its number when it can be signalled and its shim sleeps.
    func startAsleep(
        _ id: String, onSignal script: String, _ change: (inout ContainerSpecification) -> Void = { _ in }
    ) async throws -> pid_t {
        let pid = try await start(id, "trap '\(script)' USR1; echo ready; while :; do usleep 10000; done", change)
        try await waitUntil("the trap is set") { try log(id).count == 1 }
        try await asleep(id)
        return pid
    }

    /// A number of a file of lines `name: number` (proc_pid_status(5), proc_pid_smaps(5), proc_pid_fdinfo(5)).
    static func field(_ name: String, _ file: String, radix: Int = 10) throws -> UInt64 {
        let line = try #require(try Files.text(file).split(separator: "\n").first { $0.hasPrefix(name + ":") })
        let word = line.dropFirst(name.count + 1).split { $0 == " " || $0 == "\t" }.first
        return try #require(word.flatMap { UInt64($0, radix: radix) })
    }
}
