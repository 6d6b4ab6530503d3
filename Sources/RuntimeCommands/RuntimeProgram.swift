import Containment
import Glibc
import JSON
import RuntimeSpec

/// `martlet-runtime` as an OCI runtime: runc's commands and flags, so that podman, containerd and dockerd drive it.
public enum RuntimeProgram {
    public static let version = "0.1.0"

    /// Whether the command is one that makes processes of containers.
    private static func makesProcesses(_ arguments: [String]) -> Bool {
        arguments.contains { $0 == "create" || $0 == "run" || $0 == "exec" }
    }

    /// Carries a command line out.
    ///
    /// - Returns: the exit status: 0, 1 for an error, 255 for an `exec` that failed, and that of the process for `run`
    ///   and `exec`.
    public static func run(_ arguments: [String]) -> Int32 {
        let invocation: RuntimeInvocation
        do {
            // First of all: what is done before is done again by the program that this one becomes.
            if makesProcesses(arguments) {
                try ExecutableGuard.enter(arguments: arguments, environment: InheritedDescriptors.environment)
            }
            invocation = try RuntimeInvocation(parsing: arguments.dropFirst())
        } catch {
            RuntimeLog(RuntimeSettings()).error("\(error)")
            return 1
        }
        let log = RuntimeLog(invocation.settings)
        do {
            return try carryOut(invocation, log)
        } catch {
            log.error(reason(error))
            if case .exec = invocation.command { return 255 }
            return 1
        }
    }

    private static func reason(_ error: any Error) -> String {
        if let error = error as? SetupError { return error.reason }
        return "\(error)"
    }

    private static func carryOut(_ invocation: RuntimeInvocation, _ log: RuntimeLog) throws -> Int32 {
        let context = RuntimeContext(invocation.settings, log)
        switch invocation.command {
        case .create(let id, let options): try CreateCommand(context, id, options).create()
        case .run(let id, let creation, let options): return try RunCommand(context, id, creation, options).run()
        case .start(let id): try StartCommand(context, id).start()
        case .state(let id): try context.container(id).printState()
        case .kill(let id, let signal, let all): try KillCommand(context, id).kill(signal, all: all)
        case .delete(let id, let force): try DeleteCommand(context, id).delete(force: force)
        case .exec(let id, let options): return try ExecCommand(context, id, options).run()
        case .processes(let id, let format, let arguments):
            try ListingCommands(context).processes(id, format, arguments)
        case .list(let format, let isQuiet): try ListingCommands(context).list(format, isQuiet: isQuiet)
        case .pause(let id): try PauseCommand(context, id).pause()
        case .resume(let id): try PauseCommand(context, id).resume()
        case .update(let id, let options): try UpdateCommand(context, id).update(options)
        case .events(let id, let interval, let once):
            try EventsCommand(context, id).run(intervalMilliseconds: interval, once: once)
        case .features: try FeaturesCommand.print()
        case .specification(let bundle, let isRootless): try SpecCommand.write(bundle: bundle, isRootless: isRootless)
        case .version: print("martlet-runtime version \(version)\nspec: \(RuntimeConfiguration.version)")
        case .help: print(Self.help)
        }
        return 0
    }

    private static let help = """
        usage: martlet-runtime [options] COMMAND [arguments]

        An OCI runtime (runtime-spec \(RuntimeConfiguration.version)) with runc's commands and flags.

        commands:
          create ID, start ID, run ID     make a container from a bundle, start it, or both
          state ID, list, ps ID           what there is
          kill ID [SIGNAL], delete ID     end and remove it
          exec ID COMMAND...              another process in it
          pause ID, resume ID             stop and continue all its processes
          update ID, events ID            limits and figures
          features, spec                  what this runtime can do; an example of a config.json
          shim                            holds a container for martletd

        options:
          --root DIRECTORY                where states are kept
          --log FILE, --log-format text|json
          --systemd-cgroup                control groups are made by systemd
          --rootless true|false|auto      leave out what needs privileges
          --version, --help
        """
}
