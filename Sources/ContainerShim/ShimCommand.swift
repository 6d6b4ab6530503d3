import CLinux
import Cgroups
import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol

/// `martlet-runtime shim`: becomes the process that owns one container, away from the one that started it.
public enum ShimCommand {

    private static let options = ["--data", "--run", "--cache"]

    /// Arguments: `--data` and `--run`, the container's own directories there; `--cache`, a directory for what shims
    /// share until the host is restarted, which may be left out. How it went is reported on descriptor 3.
    public static func run(_ arguments: [String]) -> Never {
        var data: String?
        var run: String?
        var cache: String?
        var rest = arguments[...]
        while let name = rest.popFirst() {
            guard options.contains(name) else {
                complain("unknown option \"\(name)\"; there are \(options.joined(separator: ", "))")
            }
            guard let value = rest.popFirst() else { complain("\(name) wants a directory") }
            switch name {
            case "--data": data = value
            case "--run": run = value
            default: cache = value
            }
        }
        guard let data else { complain("--data is missing: the container's directory of what survives a reboot") }
        guard let run else { complain("--run is missing: the container's directory of what does not") }
        do {
            try ExecutableGuard.enter(arguments: CommandLine.arguments, environment: [])
            let text = try Files.read(data + "/" + ShimFiles.specification)
            let specification = try JSONCoding.decode(ContainerSpecification.self, from: text)
            guard specification.version <= ContainerSpecification.currentVersion else {
                throw SetupError("specification version \(specification.version) is newer than this runtime")
            }
            let groups = try ControlGroups()
            try detach(into: groups.group(shimGroup(of: specification.cgroup)))
            let shim = Shim(
                specification: specification, group: groups.group(specification.cgroup), dataDirectory: data,
                runDirectory: run, cacheDirectory: cache)
            try shim.create()
            report(ShimAnswer(pid: shim.containerPid))
            try shim.serve()
            _exit(0)
        } catch {
            let error = SetupError(error)
            report(ShimAnswer(error: error.reason, code: error.code))
            _exit(1)
        }
    }

    /// Ends with a message for whoever typed the command.
    private static func complain(_ text: String) -> Never {
        try? Bytes.writeAll(2, Array("martlet-runtime shim: \(text)\n".utf8))
        exit(2)
    }

    /// Beside the container's group: shims share one.
    private static func shimGroup(of container: String) -> String {
        String(container.split(separator: "/").first ?? "martlet") + "/shims"
    }

    /// Leaves the parent, its session, its groups and its descriptors: the parent waits for a process that ends at
    /// once, so that this one belongs to the machine's first process from the beginning.
    private static func detach(into group: ControlGroup) throws {
        try group.create()
        let unified = try group.unifiedPath.map { path in try Descriptor.open(path, O_RDONLY | O_DIRECTORY).release() }
        let child = try checked("clone", cl_clone_process(0, unified ?? -1, nil))
        guard child == 0 else { _exit(0) }
        setsid()
        try group.join(exceptUnified: unified != nil)
        _ = cl_close_range(UInt32(ShimFiles.reportDescriptor) + 1, .max, 0)
        _ = fcntl(ShimFiles.reportDescriptor, F_SETFD, FD_CLOEXEC)
        for signal in [SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2] { Glibc.signal(signal, SIG_IGN) }
        chdir("/")
        umask(0o022)
    }

    private static func report(_ answer: ShimAnswer) {
        guard let text = try? JSONCoding.encode(answer) else { return }
        try? Bytes.writeAll(ShimFiles.reportDescriptor, text + [0x0a])
        close(ShimFiles.reportDescriptor)
    }
}
