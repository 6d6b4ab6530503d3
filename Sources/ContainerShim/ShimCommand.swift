import CLinux
import Cgroups
import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol

/// `martlet-runtime shim`: becomes the process that owns one container, away from the one that started it.
public enum ShimCommand {
    /// Arguments: `--data` and `--run`, the container's own directories there; `--cache`, a directory for what shims
    /// share until the host is restarted, which may be left out. How it went is reported on descriptor 3. A shim that
    /// slept goes on with `--resume` and the descriptor of what it left.
    public static func run(_ arguments: [String]) -> Never {
        let options: ShimOptions
        do {
            options = try ShimOptions(arguments)
        } catch {
            complain("\(error)")
        }
        if let file = options.resumed { resume(Descriptor(owning: file), options) }
        do {
            try ExecutableGuard.enter(arguments: ProgramArguments.all, environment: [])
            let text = try Files.read(options.dataDirectory + "/" + ShimFiles.specification)
            let version = try JSONCoding.decode(WrittenVersion.self, from: text).version
            guard version <= ContainerSpecification.currentVersion else {
                throw SetupError("specification version \(version) is newer than this runtime")
            }
            let specification = try JSONCoding.decode(ContainerSpecification.self, from: text)
            let groups = try ControlGroups()
            try detach(into: groups.group(shimGroup(of: specification.cgroup)))
            let shim = Shim(ContainerFacts(specification), group: groups.group(specification.cgroup), options)
            try shim.create(specification)
            report(ShimAnswer(pid: shim.containerPid))
            try shim.serve()
            _exit(0)
        } catch {
            let error = SetupError(error)
            report(ShimAnswer(error: error.reason, code: error.code))
            _exit(1)
        }
    }

    private static func resume(_ file: consuming Descriptor, _ options: ShimOptions) -> Never {
        do {
            try Shim.awake(from: file, options).serve()
            _exit(0)
        } catch {
            Shim.giveUp(error, options)
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
