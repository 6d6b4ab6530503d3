import Glibc
import JSON
import LinuxSystem
import TestSupport

/// What an engine's containers leave on the machine, and how it is cleared away.
struct PeerTraces: Sendable {
    /// Everything of the engine lies in it, and all its processes name it.
    let directory: TemporaryDirectory
    let groups: PeerGroups
    /// Where the runtime keeps a directory for each container; nil where that is its own default.
    let states: String?

    /// Waits until no container is left: no group, no mount, no state of the runtime and no process but `daemons`.
    ///
    /// - Parameter mounts: the file that lists the engine's mounts.
    func areGone(mounts: String = "/proc/self/mountinfo", except daemons: Set<pid_t> = []) async throws {
        do {
            try await waitUntil("nothing of the containers is left") { left(mounts, daemons).isEmpty }
        } catch {
            throw PeerFailure("left behind: " + left(mounts, daemons).joined(separator: "\n"))
        }
    }

    /// Ends processes that name the directory, and removes groups, mounts and the directory itself.
    func clear() async {
        if states == nil, let runtime = PeerRuntime.path {
            for container in statesLeft where !container.contains(" ") {
                _ = try? await Command.run([runtime, "delete", "--force", container], within: .seconds(10))
            }
        }
        try? await waitUntil("no process of \(directory.path) is left") {
            for pid in processes { kill(pid, SIGKILL) }
            return processes.isEmpty
        }
        await groups.remove()
        directory.remove()
    }

    private func left(_ mounts: String, _ daemons: Set<pid_t>) -> [String] {
        // dockerd binds its data upon itself, podman its layers; the latter stays where two podmans end at once.
        let own = [directory.path("data"), directory.path("storage/overlay")]
        let mounted = ((try? Files.text(mounts)) ?? "").split(separator: "\n").compactMap { line -> String? in
            let fields = line.split(separator: " ")
            guard fields.count > 4, fields[4].hasPrefix(directory.path), !own.contains(String(fields[4])) else {
                return nil
            }
            return "mount " + fields[4]
        }
        let running = processes.filter { !daemons.contains($0) && !daemons.contains(Self.parent(of: $0)) }
            .map { "process \($0) \(Self.commandLine($0))" }
        return mounted + groups.left() + running + statesLeft.map { "state \($0)" }
    }

    /// Containers that the runtime still knows: in its root, or those whose bundle lies in the directory.
    private var statesLeft: [String] {
        // Names with a colon are no containers: martlet-runtime keeps compiled filters so.
        if let states { return ((try? Files.list(states)) ?? []).filter { !$0.contains(":") } }
        guard let runtime = PeerRuntime.path,
            let listed = try? Command.runBlocking([runtime, "list", "--format", "json"], within: .seconds(10))
        else { return [] }
        guard listed.succeeded, let known = try? JSONValue(parsing: listed.outputBytes) else {
            return ["unknown: list ends with \(listed.code): \(listed.errorOutput)"]
        }
        return (known.array ?? []).filter { $0["bundle"]?.string?.hasPrefix(directory.path) == true }
            .compactMap { $0["id"]?.string }
    }

    /// Processes of which an argument names the directory.
    private var processes: [pid_t] {
        ((try? Files.list("/proc")) ?? []).compactMap { pid_t($0) }
            .filter { $0 != getpid() && Self.commandLine($0).contains(directory.path) }
    }

    private static func commandLine(_ pid: pid_t) -> String {
        let bytes = (try? Files.read("/proc/\(pid)/cmdline")) ?? []
        return String(decoding: bytes.map { $0 == 0 ? 32 : $0 }, as: UTF8.self)
    }

    private static func parent(of pid: pid_t) -> pid_t {
        let status = (try? Files.text("/proc/\(pid)/status")) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("PPid:") }
        return line.flatMap { pid_t(String($0.dropFirst(5)).trimmed) } ?? 0
    }
}

/// The processor time that a process has used, in ticks (proc(5)).
func processorTicks(of pid: pid_t) throws -> Int {
    let text = try Files.text("/proc/\(pid)/stat")
    // The name in parentheses may hold blanks; utime and stime are fields 14 and 15.
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 12, let user = Int(fields[11]), let system = Int(fields[12]) else {
        throw PeerFailure("/proc/\(pid)/stat is not understood: \(text)")
    }
    return user + system
}
